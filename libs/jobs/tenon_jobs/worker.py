"""Everything of a worker process that lives on its event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from tenon_core.background import end
from tenon_db.database import Database
from tenon_jobs.job import JobType
from tenon_jobs.pool import Pool
from tenon_jobs.queue import JobQueue
from tenon_jobs.recurring import Recurring
from tenon_jobs.sweeper import Sweeper
from tenon_jobs.timetable import Timetable

RESTART_SECONDS = 1.0

log = structlog.get_logger()

Companion = Callable[[], Awaitable[None]]


class Worker:
    """Does the jobs of one service, those that are `recurring` among them, and whatever else
    shall live `beside` them: coroutines that run until they are cancelled, and are started again
    if they fail.

    `concurrency` jobs run at once, and those of types with a concurrency of their own besides.
    A stopping worker gives running jobs `grace_seconds`.
    """

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        types: Sequence[JobType],
        *,
        concurrency: int = 8,
        recurring: Sequence[Recurring] = (),
        beside: Sequence[Companion] = (),
        poll_seconds: float = 1.0,
        sweep_seconds: float = 5.0,
        grace_seconds: float = 25.0,
    ) -> None:
        self._beside = beside
        self._grace_seconds = grace_seconds
        self._stopping = False
        self._sweeper = Sweeper(database, queue.table, types, queue.doorbell, seconds=sweep_seconds)
        self._timetable = Timetable(database, queue, recurring, seconds=sweep_seconds)
        shared = [job_type for job_type in types if job_type.concurrency is None]
        shares = [(shared, concurrency)] if shared else []
        shares += [([own], own.concurrency) for own in types if own.concurrency is not None]
        self._pools = [
            Pool(database, queue.table, members, slots=slots, poll_seconds=poll_seconds)
            for members, slots in shares
        ]

    def wake(self) -> None:
        """Look for due jobs now."""
        for pool in self._pools:
            pool.wake()

    def ready(self) -> bool:
        """Say, to any thread, whether the loop runs and reaches the database."""
        return not self._stopping and self._sweeper.alive(time.monotonic())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block lasts, then drain."""
        claiming = [asyncio.create_task(pool.run()) for pool in self._pools]
        looking = [self._sweeper.run, self._timetable.run]
        companions = [*looking, *(lambda run=run: _kept(run) for run in self._beside)]
        beside = [asyncio.create_task(companion()) for companion in companions]
        try:
            yield
        finally:
            await self._stop(claiming, beside)

    async def _stop(
        self, claiming: list[asyncio.Task[None]], beside: list[asyncio.Task[None]]
    ) -> None:
        self._stopping = True
        for pool in self._pools:
            pool.stop()
        await end(beside)
        await asyncio.gather(*claiming)
        await asyncio.gather(*(pool.drain(self._grace_seconds) for pool in self._pools))


async def _kept(run: Companion) -> None:
    """Run for good; a failure is logged and followed by another start."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("companion of the worker failed; starting it again")
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return
