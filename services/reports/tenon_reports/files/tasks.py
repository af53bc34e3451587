from tenon_jobs import Job, JobType
from tenon_reports.files.service import ABANDON, DISCARD
from tenon_storage.storage import Storage

ATTEMPTS = 100
LONGEST_DELAY = 3600.0


class FileTasks:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def types(self) -> list[JobType]:
        """A storage that is away is tried for days."""
        return [
            JobType(name, handler, max_attempts=ATTEMPTS, longest_delay=LONGEST_DELAY)
            for name, handler in ((DISCARD, self.discard), (ABANDON, self.abandon))
        ]

    async def discard(self, job: Job) -> None:
        for key in job.payload["keys"]:
            await self._storage.delete(key)

    async def abandon(self, job: Job) -> None:
        await self._storage.abandon(job.payload["key"], job.payload["name"])
