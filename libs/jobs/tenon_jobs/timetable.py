"""Fires the schedules of a service; one runs in every worker."""

import asyncio
import random
from collections.abc import Sequence

import structlog

from tenon_db.database import Database
from tenon_jobs import metrics
from tenon_jobs.queue import JobQueue
from tenon_jobs.recurring import Recurring, following
from tenon_jobs.recurring_repository import RecurringRepository

log = structlog.get_logger()


class Timetable:
    """Makes a job of each fire time, once, by whichever worker is first.

    What was missed while no worker ran is fired once, at its first time. A job's id follows from
    its schedule and fire time, and how far a schedule was fired never moves back: neither two
    workers, a crash nor a clock that is set back repeats it. Each worker fires the schedules that
    it was told of, so that two versions may run side by side.
    """

    def __init__(
        self, database: Database, queue: JobQueue, schedules: Sequence[Recurring], *, seconds: float
    ) -> None:
        self._database = database
        self._queue = queue
        self._schedules = schedules
        self._seconds = seconds

    async def run(self) -> None:
        while self._schedules:
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001 # the database may be away; what is due stays so
                log.warning("schedules not looked at", error=str(error))
            # Replicas that started together shall not look together.
            await asyncio.sleep(self._seconds * random.uniform(0.5, 1.5))  # noqa: S311 # no secret

    async def tick(self) -> None:
        """Fire what is due."""
        async with self._database.system("jobs") as tx:
            fired = await self._fire(RecurringRepository(tx, self._queue.table))
        for name in fired:
            metrics.FIRED.labels(name).inc()
        if fired:
            self._queue.doorbell.ring()

    async def _fire(self, repository: RecurringRepository) -> list[str]:
        until, now = await repository.fired_until(), await repository.now()
        if fresh := [one for one in self._schedules if one.name not in until]:
            await repository.declare(fresh)
        fired = []
        for schedule in self._schedules:
            since = until.get(schedule.name, now)
            due = following(schedule.cron, schedule.time_zone, since)
            if due <= now and await repository.fire(schedule, since, due):
                fired.append(schedule.name)
        return fired
