"""Finds what no worker holds on to any more; one runs in every worker."""

import asyncio
import random
from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from tenon_db.database import Database
from tenon_jobs import metrics
from tenon_jobs.depths import DepthGauges
from tenon_jobs.doorbell import Doorbell
from tenon_jobs.failures import record_quarantine
from tenon_jobs.job import Job, JobType
from tenon_jobs.rehint import Rehint
from tenon_jobs.repository import NO_OUTCOME, JobRepository

OVERDUE_SECONDS = 2.0
"""A due job that waits for longer has been missed by every ring so far."""

log = structlog.get_logger()


class Sweeper:
    def __init__(
        self,
        database: Database,
        table: sa.Table,
        types: Sequence[JobType],
        doorbell: Doorbell,
        *,
        seconds: float,
    ) -> None:
        self._database = database
        self._table = table
        self._types = {job_type.name: job_type for job_type in types}
        self._doorbell = doorbell
        self._seconds = seconds
        self._last_sweep = float("-inf")
        self._rehint = Rehint()
        self._gauges = DepthGauges(database.schema, list(self._types))

    def alive(self, now: float) -> bool:
        """Say whether this loop ran and reached the database lately, by the loop's clock."""
        return now - self._last_sweep < 4 * self._seconds

    async def run(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 # the database may be away; jobs wait there
                log.warning("jobs not swept", error=str(error))
            # Replicas that started together shall not sweep together.
            await asyncio.sleep(self._seconds * random.uniform(0.5, 1.5))  # noqa: S311 # no secret

    async def sweep(self) -> None:
        async with self._database.system("jobs") as tx:
            jobs = JobRepository(tx, self._table)
            expired = await jobs.expire()
            poison = await jobs.poison(self._types)
            depths = await jobs.depths()
        self._last_sweep = asyncio.get_running_loop().time()
        self._gauges.show(depths)
        metrics.EXPIRED.inc(expired)
        for claim in poison:
            await self._quarantine(Job.of(claim, self._table))
        overdue = any(depth.oldest_due_seconds > OVERDUE_SECONDS for depth in depths)
        if self._rehint.due(self._last_sweep, overdue=overdue) or expired:
            self._doorbell.ring()

    async def _quarantine(self, job: Job) -> None:
        try:
            done = await record_quarantine(self._database, self._types[job.type], job, NO_OUTCOME)
        except Exception:
            log.exception("job not quarantined", job_id=str(job.id), job_type=job.type)
            return
        if done:
            metrics.QUARANTINED.labels(job.type).inc()
            log.error("job quarantined", job_id=str(job.id), job_type=job.type)
