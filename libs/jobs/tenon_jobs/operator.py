"""What an operator does with jobs, of one service or of several."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from tenon_db.database import Database
from tenon_jobs.operator_repository import JobView, OperatorRepository
from tenon_jobs.tables import State, jobs_of

Verb: TypeAlias = Literal["retry", "quarantine"]

PAST: Mapping[Verb, str] = {"retry": "retried", "quarantine": "quarantined"}
FROM: Mapping[Verb, Collection[State]] = {
    "retry": (State.FAILED, State.QUARANTINED),
    "quarantine": (State.QUEUED, State.RUNNING),
}


class Refused(Exception):
    """The message says what is wrong with which job."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A job and the service it is of."""

    service: str
    job: JobView


class Operator:
    """Reaches the jobs of these services as their application roles."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = databases

    async def page(
        self, states: Collection[State], types: Collection[str], limit: int
    ) -> list[Listed]:
        """Return the newest jobs, at most `limit` of all services together."""
        found = []
        for service, database in self._databases.items():
            async with database.system("jobs") as tx:
                jobs = OperatorRepository(tx, jobs_of(service))
                found += [Listed(service, job) for job in await jobs.page(states, types, limit)]
        return sorted(found, key=lambda listed: listed.job.id, reverse=True)[:limit]

    async def change(self, verb: Verb, job_id: UUID) -> str:
        """Do it to the job, and return the service it is of; Refused."""
        for service, database in self._databases.items():
            async with database.system("jobs") as tx:
                jobs = OperatorRepository(tx, jobs_of(service))
                state = await jobs.state(job_id)
                if state is None:
                    continue
                if state not in FROM[verb]:
                    raise Refused(_wrong_state(verb, job_id, state))
                await _action(jobs, verb)(job_id)
                return service
        raise Refused(f"{job_id}: there is no such job in {', '.join(self._databases)}")


def _action(jobs: OperatorRepository, verb: Verb) -> Callable[[UUID], Awaitable[None]]:
    return jobs.retry if verb == "retry" else jobs.quarantine


def _wrong_state(verb: Verb, job_id: UUID, state: State) -> str:
    return f"{job_id}: it is {state}; only what is {' or '.join(FROM[verb])} can be {PAST[verb]}"
