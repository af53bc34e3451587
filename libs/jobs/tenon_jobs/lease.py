"""Keeping a claimed job while its handler works."""

import asyncio
from collections.abc import Callable

import structlog

from tenon_db.database import Database
from tenon_jobs.job import Job
from tenon_jobs.repository import JobRepository

BEATS_PER_LEASE = 3

log = structlog.get_logger()


class Lease:
    """Extends a job's lease three times within its length, until cancelled.

    Counts by its own clock from before the claim, so it knows that the lease is over no later
    than the database does, also while the database cannot be asked.
    """

    def __init__(self, database: Database, job: Job, seconds: float, claimed_at: float) -> None:
        self._database = database
        self._job = job
        self._seconds = seconds
        self._until = claimed_at + seconds

    async def keep(self, on_lost: Callable[[], None]) -> None:
        while await self._beat():
            pass
        self._job.lost = True
        on_lost()

    async def _beat(self) -> bool:
        """Wait and extend; False if the lease is gone."""
        await asyncio.sleep(self._seconds / BEATS_PER_LEASE)
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._until), self._database.system("jobs") as tx:
                kept = await JobRepository(tx, self._job.table).extend(
                    self._job.id, self._job.token, self._seconds
                )
        except Exception as error:  # noqa: BLE001 # the database may come back before the lease ends
            log.warning("lease not extended", job_id=str(self._job.id), error=str(error))
            return asyncio.get_running_loop().time() < self._until
        self._until = asked_at + self._seconds
        return kept
