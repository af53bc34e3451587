from uuid import UUID

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType
from tenon_reports.uploads.loading import GIVEN_UP, UploadLoader
from tenon_reports.uploads.models import FINISHED, UploadState
from tenon_reports.uploads.repository import UploadRepository
from tenon_reports.uploads.service import LOAD
from tenon_storage.storage import Storage

LONGEST_LOAD_SECONDS = 6 * 3600.0


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
            )
        ]

    async def load(self, job: Job) -> None:
        assert job.org_id is not None
        async with self._database.tenant(job.org_id) as tx:
            upload = await UploadRepository(tx).find(UUID(job.payload["upload_id"]))
        if upload is None:  # its dataset was deleted
            return
        if upload.state in FINISHED:
            await self._storage.delete(upload.body_key)
            return
        await self._loader.load(job, upload)

    async def give_up(self, tx: Transaction, job: Job, error: str) -> None:
        """Tell the user; `error` is for the operator."""
        del error
        await UploadRepository(tx).finish(
            UUID(job.payload["upload_id"]), UploadState.FAILED, GIVEN_UP
        )
