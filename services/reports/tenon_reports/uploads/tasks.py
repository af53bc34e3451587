from uuid import UUID

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType
from tenon_reports.files.service import FileService
from tenon_reports.uploads.loading import GIVEN_UP, UploadLoader
from tenon_reports.uploads.models import FINISHED, UploadState, body_key
from tenon_reports.uploads.repository import UploadRepository
from tenon_reports.uploads.service import LOAD, RECLAIM

LONGEST_LOAD_SECONDS = 6 * 3600.0
PATIENT_ATTEMPTS, FIRST_DELAY, LONGEST_DELAY = 40, 5.0, 3600.0
"""A storage that is full is tried again for about a day: after 5 s, 10 s, …, then every hour."""


class UploadTasks:
    def __init__(self, database: Database, files: FileService, loader: UploadLoader) -> None:
        self._database = database
        self._files = files
        self._loader = loader

    def types(self) -> list[JobType]:
        return [
            JobType(
                LOAD,
                self.load,
                timeout_seconds=LONGEST_LOAD_SECONDS,
                concurrency=2,
                patient_attempts=PATIENT_ATTEMPTS,
                first_delay=FIRST_DELAY,
                longest_delay=LONGEST_DELAY,
                organization_concurrency=1,
                account_concurrency=1,
                on_failed=self.give_up,
            ),
            JobType(RECLAIM, self.reclaim),
        ]

    async def load(self, job: Job) -> None:
        assert job.org_id is not None
        async with self._database.tenant(job.org_id) as tx:
            upload = await UploadRepository(tx).find(UUID(job.payload["upload_id"]))
        if upload and upload.state not in FINISHED:  # else its dataset was deleted
            await self._loader.load(job, upload)

    async def reclaim(self, job: Job) -> None:
        """Delete the body that was received for an upload which then was not made."""
        assert job.org_id is not None
        upload_id = UUID(job.payload["upload_id"])
        async with self._database.tenant(job.org_id) as tx:
            if await UploadRepository(tx).find(upload_id) is None:
                await self._files.discard(tx, [body_key(job.org_id, upload_id)])
            await job.complete(tx)

    async def give_up(self, tx: Transaction, job: Job, error: str) -> None:
        """Tell the user; `error` is for the operator."""
        del error
        upload_id = UUID(job.payload["upload_id"])
        ended = await UploadRepository(tx).finish(upload_id, UploadState.FAILED, GIVEN_UP)
        if ended:
            await self._files.discard(tx, ended.working_keys)
