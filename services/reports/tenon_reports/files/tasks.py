from tenon_jobs import Job, JobType
from tenon_reports.files.service import DISCARD
from tenon_storage.storage import Storage

ATTEMPTS = 100
LONGEST_DELAY = 3600.0


class FileTasks:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def types(self) -> list[JobType]:
        """A storage that is away is tried for days."""
        return [JobType(DISCARD, self.discard, max_attempts=ATTEMPTS, longest_delay=LONGEST_DELAY)]

    async def discard(self, job: Job) -> None:
        for key in job.payload["keys"]:
            await self._storage.delete(key)
