"""What the tests of the jobs work with."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Handler, Job, JobQueue, JobType, Worker


async def note(tx: Transaction, what: str) -> None:
    await tx.execute(sa.text("INSERT INTO work.effects (what) VALUES (:what)"), {"what": what})


@dataclass
class Bench:
    """A queue, the workers of a test, and a look at the rows."""

    database: Database
    queue: JobQueue
    began: asyncio.Queue[Job] = field(default_factory=asyncio.Queue)

    def worker(self, *types: JobType, **options: Any) -> Worker:
        quick: dict[str, Any] = {"poll_seconds": 0.02, "sweep_seconds": 0.05, "grace_seconds": 5}
        return Worker(self.database, self.queue, types, **quick | options)

    def doing(self, handler: Handler | None = None, **options: Any) -> JobType:
        """A type `work` whose handler notes the job in `began` and then does as told."""

        async def handle(job: Job) -> None:
            await self.began.put(job)
            if handler:
                await handler(job)

        return JobType("work", handle, **options)

    async def enqueue(self, job_type: str = "work", **options: Any) -> UUID:
        async with self.database.system("test") as tx:
            return await self.queue.enqueue(tx, job_type, {}, **options)

    async def rows(self) -> list[Any]:
        jobs = self.queue.table
        async with self.database.system("test") as tx:
            return list(await tx.rows(sa.select(jobs).order_by(jobs.c.create_time, jobs.c.id)))

    async def row(self) -> Any:
        (row,) = await self.rows()
        return row

    async def states(self) -> list[str]:
        return [row.state for row in await self.rows()]

    async def effects(self) -> list[str]:
        async with self.database.system("test") as tx:
            rows = await tx.rows(sa.text("SELECT what FROM work.effects ORDER BY id"))
        return [row.what for row in rows]

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait, at most 30 seconds, until a condition holds."""
        async with asyncio.timeout(30):
            while not await holds():  # the database sets no Event
                await asyncio.sleep(0.01)

    async def until_states(self, *states: str) -> None:
        async def reached() -> bool:
            return await self.states() == list(states)

        await self.until(reached)
