from uuid import UUID

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType, RetryLater
from tenon_reports.uploads.loading import GIVEN_UP, UploadLoader
from tenon_reports.uploads.models import FINISHED, Upload, UploadState, body_key
from tenon_reports.uploads.repository import UploadRepository
from tenon_reports.uploads.service import CLEAR, LOAD
from tenon_storage.storage import Storage

LONGEST_LOAD_SECONDS = 6 * 3600.0
CLEARING_SECONDS = 3600.0
CLEARING_ATTEMPTS = 24 * 365


class UploadTasks:
    def __init__(self, database: Database, storage: Storage, loader: UploadLoader) -> None:
        self._database = database
        self._storage = storage
        self._loader = loader

    def types(self) -> list[JobType]:
        return [
            JobType(
                LOAD,
                self.load,
                timeout_seconds=LONGEST_LOAD_SECONDS,
                concurrency=2,
                organization_concurrency=1,
                on_failed=self.give_up,
            ),
            JobType(CLEAR, self.clear, max_attempts=CLEARING_ATTEMPTS),
        ]

    async def load(self, job: Job) -> None:
        upload = await self._find(job)
        if upload is None:  # its dataset was deleted
            return
        if upload.state in FINISHED:
            await self._storage.delete(upload.body_key)
            return
        await self._loader.load(job, upload)

    async def clear(self, job: Job) -> None:
        """Delete the body once nobody needs it: who received or loaded it may have died before."""
        assert job.org_id is not None
        upload = await self._find(job)
        if upload is not None and upload.state not in FINISHED:
            raise RetryLater(CLEARING_SECONDS, "the file is not loaded yet")
        await self._storage.delete(body_key(job.org_id, UUID(job.payload["upload_id"])))

    async def give_up(self, tx: Transaction, job: Job, error: str) -> None:
        """Tell the user; `error` is for the operator."""
        del error
        await UploadRepository(tx).finish(
            UUID(job.payload["upload_id"]), UploadState.FAILED, GIVEN_UP
        )

    async def _find(self, job: Job) -> Upload | None:
        assert job.org_id is not None
        async with self._database.tenant(job.org_id) as tx:
            return await UploadRepository(tx).find(UUID(job.payload["upload_id"]))
