"""Every statement about schedules."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_jobs.recurring import Recurring
from tenon_jobs.tables import lane, recurring_of


class RecurringRepository:
    def __init__(self, tx: Transaction, jobs: sa.Table) -> None:
        assert jobs.schema is not None
        self._tx = tx
        self._jobs = jobs
        self._schema = jobs.schema
        self._schedules = recurring_of(jobs.schema)

    async def declare(self, schedules: Sequence[Recurring]) -> None:
        """Add the schedules that are new; they begin now."""
        values = [
            {
                "name": schedule.name,
                "cron": schedule.cron,
                "time_zone": schedule.time_zone,
                "job_type": schedule.job_type,
                "fired_until": sa.func.now(),
            }
            for schedule in sorted(schedules, key=lambda schedule: schedule.name)
        ]
        await self._tx.execute(insert(self._schedules).values(values).on_conflict_do_nothing())

    async def fired_until(self) -> dict[str, datetime]:
        """Return up to when each schedule's times have been fired."""
        rows = await self._tx.rows(sa.select(self._schedules.c.name, self._schedules.c.fired_until))
        return {row.name: row.fired_until for row in rows}

    async def now(self) -> datetime:
        """Return the time by the database's clock, which all workers share."""
        now: datetime = await self._tx.scalar(sa.select(sa.func.now()))
        return now

    async def fire(self, schedule: Recurring, since: datetime, fire_time: datetime) -> bool:
        """Add the job of a fire time; what else was missed since then counts as fired too.

        False if another worker was quicker, or if this time was fired before.
        """
        moved = await self._tx.execute(
            sa.update(self._schedules)
            .where(self._schedules.c.name == schedule.name)
            .where(self._schedules.c.fired_until == since)
            .values(
                cron=schedule.cron,
                time_zone=schedule.time_zone,
                job_type=schedule.job_type,
                fired_until=sa.func.greatest(sa.func.now(), fire_time),
            )
        )
        return moved.rowcount == 1 and await self._add(schedule, fire_time)

    async def _add(self, schedule: Recurring, fire_time: datetime) -> bool:
        statement = insert(self._jobs).values(
            id=fire_id(f"{self._schema}/{schedule.name}", fire_time),
            type=schedule.job_type,
            payload={"schedule": schedule.name, "fire_time": fire_time.isoformat()},
            lane=lane(None),
            run_at=sa.func.now(),
            priority=0,
        )
        added = await self._tx.execute(statement.on_conflict_do_nothing(index_elements=["id"]))
        return added.rowcount == 1


def fire_id(schedule: str, fire_time: datetime) -> UUID:
    """Return the one id that the job of this schedule and fire time can have.

    A version 7 id of that time, so that it lies in the table where its age says.
    """
    milliseconds = int(fire_time.timestamp() * 1000)
    digest = hashlib.sha256(f"{schedule} {fire_time.isoformat()}".encode()).digest()
    high, low = int.from_bytes(digest[:2], "big") >> 4, int.from_bytes(digest[2:10], "big") >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0x2 << 62) | low)
