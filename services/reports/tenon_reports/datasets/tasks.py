from uuid import UUID

from tenon_jobs import Job, JobType
from tenon_reports.datasets.service import PURGE, DatasetService
from tenon_reports.ingest.service import IngestService
from tenon_reports.runs.service import RunService
from tenon_reports.uploads.service import UploadService

LONGEST_PURGE_SECONDS = 6 * 3600.0
ATTEMPTS = 100
LONGEST_DELAY = 3600.0


class DatasetTasks:
    def __init__(
        self,
        datasets: DatasetService,
        ingest: IngestService,
        uploads: UploadService,
        runs: RunService,
    ) -> None:
        self._datasets = datasets
        self._ingest = ingest
        self._uploads = uploads
        self._runs = runs

    def types(self) -> list[JobType]:
        """A storage that is away is tried for days: what is not removed would stay for ever."""
        return [
            JobType(
                PURGE,
                self.purge,
                max_attempts=ATTEMPTS,
                longest_delay=LONGEST_DELAY,
                timeout_seconds=LONGEST_PURGE_SECONDS,
            )
        ]

    async def purge(self, job: Job) -> None:
        """Remove all that a deleted dataset holds; what is gone already is no error."""
        assert job.org_id is not None
        dataset_id = UUID(job.payload["dataset_id"])
        await self._runs.purge(job.org_id, dataset_id)
        await self._uploads.purge(job.org_id, dataset_id)
        await self._ingest.purge(job.org_id, dataset_id)
        await self._datasets.remove(job.org_id, dataset_id)
