"""A job as its handler sees it, and what a service says about each type of job."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tenon_db.transaction import Transaction
from tenon_jobs.repository import Claim, JobRepository, Wanted


class RetryLater(Exception):
    """The handler cannot finish now, which is no surprise; it counts as an attempt.

    It is tried again after `seconds`, or after the type's own delay; so is one that somebody else
    did not answer in time, or had no room for, without the handler's saying so.
    """

    def __init__(self, seconds: float | None = None, why: str = "it could not finish yet") -> None:
        super().__init__(why)
        self.seconds = seconds


class GiveUp(Exception):
    """Trying again will not help: the job has failed. The message is kept with it."""


class YieldSlot(Exception):  # an event, and no error
    """The handler gives its slot to others that wait; the job goes on when its turn comes again.

    It does not count as an attempt.
    """


class LeaseLost(Exception):
    """Another worker may own this job by now: this one must not write anything more."""


@dataclass(eq=False, slots=True)
class Job:
    """One claimed job. `attempt` is 1 at first; `lost` turns true when its lease is gone."""

    id: UUID
    type: str
    payload: dict[str, Any]
    org_id: UUID | None
    user_id: UUID | None
    account_id: UUID | None
    attempt: int
    token: int
    table: sa.Table = field(repr=False)
    lost: bool = False
    completed: bool = False

    @classmethod
    def of(cls, claim: Claim, table: sa.Table) -> "Job":
        return cls(
            id=claim.id,
            type=claim.type,
            payload=claim.payload,
            org_id=claim.org_id,
            user_id=claim.user_id,
            account_id=claim.account_id,
            attempt=claim.attempts + 1,
            token=claim.token,
            table=table,
        )

    async def complete(self, tx: Transaction) -> None:
        """Record the success in the handler's own transaction, together with its effects.

        Raises LeaseLost, and so rolls the transaction back, if the job is no longer ours.
        """
        if not await JobRepository(tx, self.table).succeed(self.id, self.token):
            raise LeaseLost(str(self.id))
        tx.after_commit(self._note_completed)

    async def others_wait(self, tx: Transaction) -> bool:
        """Say whether another account, of which no job of this type runs, waits for a slot."""
        return await JobRepository(tx, self.table).others_wait(self.type, self.account_id)

    async def _note_completed(self) -> None:
        self.completed = True


class Scope(Enum):
    """Whose rows `on_failed` writes."""

    ORGANIZATION = "organization"
    USER = "user"
    SYSTEM = "system"


Handler = Callable[[Job], Awaitable[None]]
OnFailed = Callable[[Transaction, Job, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobType:
    """How jobs of one name are done. Times are in seconds.

    `patient_attempts`, if given, stands for `max_attempts` where something that the handler needs
    is unavailable, such as a storage that is full.
    `concurrency` gives the type slots of its own; without it, it shares the worker's.
    `organization_concurrency` is how many of one organization run at once, over all workers:
    below `concurrency`, it keeps slots free for the others. `account_concurrency` is the same of
    one account, whatever number of organizations it has.
    `on_failed` runs in the transaction that records the final failure, which is one of the
    job's organization or what else `scope` says.
    """

    name: str
    handler: Handler
    lease_seconds: float = 30.0
    max_attempts: int = 5
    patient_attempts: int | None = None
    first_delay: float = 2.0
    longest_delay: float = 600.0
    timeout_seconds: float = 3600.0
    concurrency: int | None = None
    organization_concurrency: int | None = None
    account_concurrency: int | None = None
    on_failed: OnFailed | None = None
    scope: Scope = Scope.ORGANIZATION

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            self.name,
            self.lease_seconds,
            self.organization_concurrency,
            self.account_concurrency,
        )
