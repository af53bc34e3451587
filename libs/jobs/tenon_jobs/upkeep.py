"""What each service clears away by itself: finished jobs, events that all have consumed, and
counters of mails that count nothing any longer.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from tenon_core import clock
from tenon_core.settings import ServiceSettings
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_db.retention import delete_old_events
from tenon_jobs.job import Job, JobType
from tenon_jobs.queue import JobQueue
from tenon_jobs.recurring import Recurring
from tenon_jobs.repository import JobRepository
from tenon_jobs.tables import State

UPKEEP = "upkeep"
EVERY_HOUR = "17 * * * *"
LONGEST_SECONDS = 3000.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keep:
    """For how long things are kept after they have happened or finished."""

    events: timedelta = timedelta(days=30)
    succeeded: timedelta = timedelta(days=1)
    set_aside: timedelta = timedelta(days=90)
    """Jobs that failed or were quarantined."""

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Keep":
        return cls(
            timedelta(days=settings.keep_events_days),
            timedelta(days=settings.keep_succeeded_jobs_days),
            timedelta(days=settings.keep_set_aside_jobs_days),
        )


class Upkeep:
    """Deletes in small transactions, none of which looks at more than a batch of rows."""

    def __init__(
        self, database: Database, queue: JobQueue, keep: Keep, *, counts_mails: bool = False
    ) -> None:
        self._database = database
        self._table = queue.table
        self._keep = keep
        self._counts_mails = counts_mails

    def types(self) -> list[JobType]:
        return [JobType(UPKEEP, self.run, timeout_seconds=LONGEST_SECONDS)]

    def recurring(self) -> list[Recurring]:
        return [Recurring(UPKEEP, EVERY_HOUR, UPKEEP)]

    async def run(self, _: Job) -> None:
        events, jobs = await self._delete_events(), await self._delete_jobs()
        if self._counts_mails:
            await self._delete_counters()
        if events or jobs:
            log.info("old rows deleted", events=events, jobs=jobs)

    async def _delete_counters(self) -> None:
        deleted = 1
        while deleted:
            async with self._database.system("jobs") as tx:
                deleted = await MailCounters(tx, self._database.schema).delete_free()

    async def _delete_events(self) -> int:
        total = 0
        while deleted := await delete_old_events(self._database, self._keep.events):
            total += deleted
        return total

    async def _delete_jobs(self) -> int:
        """Walk over the jobs that are old enough, by id, which is by age."""
        keep = {
            State.SUCCEEDED: self._keep.succeeded,
            State.FAILED: self._keep.set_aside,
            State.QUARANTINED: self._keep.set_aside,
        }
        before, after, total = clock.now() - min(keep.values()), None, 0
        while True:
            async with self._database.system("jobs") as tx:
                jobs = JobRepository(tx, self._table)
                after, deleted = await jobs.delete_finished(keep, after=after, before=before)
            total += deleted
            if after is None:
                return total
