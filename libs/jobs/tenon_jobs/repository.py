"""Every statement about jobs. Outcomes are guarded by the token of the claim they belong to."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from tenon_core.ids import first_id, uuid7
from tenon_db.transaction import Transaction
from tenon_jobs.tables import State, lane

LANES_PER_CLAIM = 100
MAX_CLAIMS = 3
SWEEP_LIMIT = 500
DELETE_LIMIT = 1_000
MOST_COUNTED = 10_000
LONGEST_ERROR = 2000
NO_OUTCOME = "its worker stopped without an outcome"

_CLAIM = files("tenon_jobs").joinpath("claim.sql").read_text()
_DEPTHS = files("tenon_jobs").joinpath("depths.sql").read_text()
_SECOND = sa.text("interval '1 second'")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A type of job that a worker takes; see JobType for the fields."""

    type: str
    lease_seconds: float
    organization_concurrency: int | None
    account_concurrency: int | None = None

    @property
    def is_limited(self) -> bool:
        return bool(self.organization_concurrency or self.account_concurrency)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How many jobs of a type are queued or running."""

    of_organization: int
    of_account: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker now holds."""

    id: UUID
    type: str
    payload: dict[str, Any]
    org_id: UUID | None
    user_id: UUID | None
    account_id: UUID | None
    token: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs of a type are in a state: MOST_COUNTED means as many or more."""

    type: str
    state: State
    jobs: int
    oldest_due_seconds: float


class JobRepository:
    def __init__(self, tx: Transaction, table: sa.Table) -> None:
        self._tx = tx
        self._jobs = table

    async def add(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        org_id: UUID | None,
        user_id: UUID | None,
        account_id: UUID | None,
        run_at: datetime | None,
        priority: int,
        dedupe_key: str | None,
    ) -> UUID:
        """Insert a job, or join the one of the same key that has not begun; return its id.

        Joining updates the waiting row even if nothing changes: the lock keeps it from being
        claimed before this transaction's effects can be seen.
        """
        statement = insert(self._jobs).values(
            id=uuid7(),
            type=job_type,
            payload=payload,
            org_id=org_id,
            user_id=user_id,
            account_id=account_id,
            lane=lane(org_id),
            run_at=sa.func.now() if run_at is None else run_at,
            priority=priority,
            dedupe_key=dedupe_key,
        )
        earlier = sa.func.least(self._jobs.c.run_at, statement.excluded.run_at)
        joining = statement.on_conflict_do_update(
            index_elements=["type", "dedupe_key"],
            index_where=self._jobs.c.dedupe_key.is_not(None),
            set_={"run_at": earlier},
        )
        job_id: UUID = await self._tx.scalar(joining.returning(self._jobs.c.id))
        return job_id

    async def claim(self, wanted: Sequence[Wanted], slots: int) -> list[Claim]:
        """Take up to `slots` due jobs of the wanted types."""
        if any(one.is_limited for one in wanted):
            await self._claim_alone()
        rows = await self._tx.rows(
            sa.text(_CLAIM.format(jobs=self._jobs.fullname)),
            {
                "types": [one.type for one in wanted],
                "leases": [one.lease_seconds for one in wanted],
                "limits": [one.organization_concurrency for one in wanted],
                "account_limits": [one.account_concurrency for one in wanted],
                "start": random.randrange(-(2**63), -(2**62)),  # noqa: S311 # no secret
                "lanes": LANES_PER_CLAIM,
                "slots": slots,
                "depth": 2 * slots,
            },
        )
        return [_claim(row) for row in rows]

    async def count_unfinished(self, job_type: str, org_id: UUID, account_id: UUID) -> Unfinished:
        """Count an account's jobs of a type; no others of it are counted or added until the
        transaction's end.
        """
        name = sa.func.hashtextextended(f"{self._jobs.fullname} {job_type} {account_id}", 0)
        await self._tx.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))
        own = sa.func.count().filter(self._jobs.c.org_id == org_id)
        row = await self._tx.row(
            sa.select(own.label("of_organization"), sa.func.count().label("of_account")).where(
                self._jobs.c.type == job_type,
                self._jobs.c.account_id == account_id,
                self._jobs.c.state.in_([State.QUEUED, State.RUNNING]),
            )
        )
        assert row is not None, "a count is one row"
        return Unfinished(row.of_organization, row.of_account)

    async def others_wait(self, job_type: str, account_id: UUID | None) -> bool:
        """Say whether a job of a type is due for another account, of which none is running."""
        running = self._jobs.alias("running")
        is_running = sa.exists().where(
            running.c.type == job_type,
            running.c.account_id == self._jobs.c.account_id,
            running.c.state == State.RUNNING,
        )
        due = sa.exists().where(
            self._jobs.c.type == job_type,
            self._jobs.c.state == State.QUEUED,
            self._jobs.c.run_at <= sa.func.now(),
            self._jobs.c.account_id.is_distinct_from(account_id),
            ~is_running,
        )
        return bool(await self._tx.scalar(sa.select(due)))

    async def _claim_alone(self) -> None:
        """Wait for other workers' claims to be committed: what they took counts."""
        name = sa.func.hashtextextended(f"claim {self._jobs.fullname}", 0)
        await self._tx.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))

    async def extend(self, job_id: UUID, token: int, seconds: float) -> bool:
        return await self._write(job_id, token, lease_until=_after(seconds))

    async def succeed(self, job_id: UUID, token: int) -> bool:
        return await self._write(
            job_id, token, state=State.SUCCEEDED, lease_until=None, finish_time=sa.func.now()
        )

    async def retry(self, job_id: UUID, token: int, seconds: float, error: str) -> bool:
        return await self._write(
            job_id,
            token,
            state=State.QUEUED,
            lease_until=None,
            run_at=_after(seconds),
            claims=0,
            attempts=self._jobs.c.attempts + 1,
            last_error=error[:LONGEST_ERROR],
        )

    async def fail(self, job_id: UUID, token: int, error: str) -> bool:
        return await self._write(
            job_id,
            token,
            state=State.FAILED,
            lease_until=None,
            claims=0,
            attempts=self._jobs.c.attempts + 1,
            last_error=error[:LONGEST_ERROR],
            finish_time=sa.func.now(),
        )

    async def release(self, job_id: UUID, token: int) -> bool:
        """Give the job back as if it had not been claimed."""
        return await self._write(
            job_id, token, state=State.QUEUED, lease_until=None, claims=self._jobs.c.claims - 1
        )

    async def quarantine(self, job_id: UUID, token: int, error: str) -> bool:
        return await self._write(
            job_id,
            token,
            state=State.QUARANTINED,
            lease_until=None,
            last_error=error,
            finish_time=sa.func.now(),
        )

    async def expire(self) -> int:
        """Take jobs back from workers that no longer extend their leases; return how many.

        A job comes back later the more often it was lost.
        """
        expired = (
            sa.select(self._jobs.c.id)
            .where(*self._expired(), self._jobs.c.claims < MAX_CLAIMS)
            .limit(SWEEP_LIMIT)
            .with_for_update(skip_locked=True)
            .cte("expired")
        )
        statement = (
            sa.update(self._jobs)
            .where(self._jobs.c.id == expired.c.id)
            .values(
                state=State.QUEUED,
                lease_until=None,
                run_at=sa.func.now() + self._jobs.c.claims * _SECOND,
                last_error=NO_OUTCOME,
            )
        )
        return (await self._tx.execute(statement)).rowcount

    async def poison(self, types: Collection[str]) -> list[Claim]:
        """Return jobs of these types that were lost MAX_CLAIMS times in a row: they probably
        kill their workers.
        """
        columns = [self._jobs.c[field.name] for field in fields(Claim)]
        statement = (
            sa.select(*columns)
            .where(*self._expired(), self._jobs.c.claims >= MAX_CLAIMS)
            .where(self._jobs.c.type.in_(types))
            .limit(SWEEP_LIMIT)
        )
        return [_claim(row) for row in await self._tx.rows(statement)]

    async def delete_finished(
        self, keep: Mapping[State, timedelta], *, after: UUID | None, before: datetime
    ) -> tuple[UUID | None, int]:
        """Look at the next jobs after an id that were made before a time, and delete those that
        finished longer ago than jobs of their state are kept.

        Return the last id looked at, None at the end, and the number deleted. (An index on
        finish times would be written once more for each job; this reads the primary key.)
        """
        old = sa.select(self._jobs.c.id).where(self._jobs.c.id < first_id(before))
        if after is not None:
            old = old.where(self._jobs.c.id > after)
        ids = [
            row.id for row in await self._tx.rows(old.order_by(self._jobs.c.id).limit(DELETE_LIMIT))
        ]
        past = [
            sa.and_(self._jobs.c.state == state, self._jobs.c.finish_time < sa.func.now() - kept)
            for state, kept in keep.items()
        ]
        gone = sa.delete(self._jobs).where(self._jobs.c.id.in_(ids), sa.or_(*past))
        deleted = (await self._tx.execute(gone)).rowcount if ids else 0
        return ids[-1] if len(ids) == DELETE_LIMIT else None, deleted

    async def depths(self) -> list[Depth]:
        """Return how many jobs there are, by type and state."""
        statement = sa.text(_DEPTHS.format(jobs=self._jobs.fullname))
        rows = await self._tx.rows(statement, {"most": MOST_COUNTED})
        return [Depth(row.type, State(row.state), row.jobs, row.oldest_due_seconds) for row in rows]

    def _expired(self) -> tuple[sa.ColumnElement[bool], ...]:
        return self._jobs.c.state == State.RUNNING, self._jobs.c.lease_until < sa.func.now()

    async def _write(self, job_id: UUID, token: int, **values: Any) -> bool:
        """Update a job that is still ours; False if it is not."""
        statement = (
            sa.update(self._jobs)
            .where(
                self._jobs.c.id == job_id,
                self._jobs.c.token == token,
                self._jobs.c.state == State.RUNNING,
            )
            .values(**values)
        )
        return (await self._tx.execute(statement)).rowcount == 1


def _claim(row: sa.Row[Any]) -> Claim:
    return Claim(**row._mapping)  # noqa: SLF001 # SQLAlchemy's public name begins with _


def _after(seconds: float) -> sa.ColumnElement[datetime]:
    """Return the moment `seconds` from now, by the database's clock."""
    return sa.func.now() + sa.literal(timedelta(seconds=seconds))
