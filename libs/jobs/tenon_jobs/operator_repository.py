"""What an operator asks of the jobs table and does to it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tenon_db.transaction import Transaction
from tenon_jobs.tables import State

BY_OPERATOR = "set aside by an operator"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as an operator sees it; payloads hold ids only."""

    id: UUID
    type: str
    state: State
    org_id: UUID | None
    payload: dict[str, Any]
    priority: int
    claims: int
    attempts: int
    last_error: str | None
    create_time: datetime
    run_at: datetime
    finish_time: datetime | None


class OperatorRepository:
    def __init__(self, tx: Transaction, jobs: sa.Table) -> None:
        self._tx = tx
        self._jobs = jobs

    async def page(
        self, states: Collection[State], types: Collection[str], limit: int
    ) -> list[JobView]:
        """Return the newest jobs of these states and types; of all where none is named."""
        columns = [self._jobs.c[name] for name in JobView.__dataclass_fields__]
        query = sa.select(*columns).order_by(self._jobs.c.id.desc()).limit(limit)
        if states:
            # Written out, so that the indexes of single states can be used.
            named: sa.BindParameter[Any] = sa.bindparam(
                "states", [*states], expanding=True, literal_execute=True
            )
            query = query.where(self._jobs.c.state.in_(named))
        if types:
            query = query.where(self._jobs.c.type.in_(types))
        return [_view(row) for row in await self._tx.rows(query)]

    async def state(self, job_id: UUID) -> State | None:
        """Return a job's state and hold it; None if there is no such job."""
        held = sa.select(self._jobs.c.state).where(self._jobs.c.id == job_id).with_for_update()
        found = await self._tx.scalar(held)
        return State(found) if found else None

    async def retry(self, job_id: UUID) -> None:
        """Put it back into the queue, as if it had never been tried."""
        await self._change(
            job_id, state=State.QUEUED, claims=0, attempts=0, run_at=sa.func.now(), finish_time=None
        )

    async def quarantine(self, job_id: UUID) -> None:
        """Set it aside. The worker that has it, if any, loses it, and what it would write.

        Jobs of its key that are announced from now on are new ones.
        """
        await self._change(
            job_id,
            state=State.QUARANTINED,
            lease_until=None,
            dedupe_key=None,
            last_error=BY_OPERATOR,
            finish_time=sa.func.now(),
        )

    async def _change(self, job_id: UUID, **values: Any) -> None:
        await self._tx.execute(
            sa.update(self._jobs).where(self._jobs.c.id == job_id).values(**values)
        )


def _view(row: sa.Row[Any]) -> JobView:
    values = {name: getattr(row, name) for name in JobView.__dataclass_fields__}
    return JobView(**values | {"state": State(row.state)})
