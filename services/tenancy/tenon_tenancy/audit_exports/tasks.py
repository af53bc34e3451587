from uuid import UUID

from tenon_core import clock
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType
from tenon_tenancy.audit_exports.models import UNFINISHED, ExportState
from tenon_tenancy.audit_exports.repository import AuditExportRepository
from tenon_tenancy.audit_exports.service import EXPIRE, WRITE, AuditExportService
from tenon_tenancy.audit_exports.writing import AuditExportWriter

LONGEST_SECONDS = 6 * 3600.0
EXPIRE_ATTEMPTS = 100
GIVEN_UP = "The export failed because of an error on our side. Please start it again."


class AuditExportTasks:
    def __init__(self, exports: AuditExportService, writer: AuditExportWriter) -> None:
        self._exports = exports
        self._writer = writer

    def types(self) -> list[JobType]:
        return [
            JobType(
                WRITE,
                self.write,
                timeout_seconds=LONGEST_SECONDS,
                concurrency=2,
                organization_concurrency=1,
                on_failed=self.give_up,
            ),
            JobType(EXPIRE, self.expire, max_attempts=EXPIRE_ATTEMPTS),
        ]

    async def write(self, job: Job) -> None:
        await self._writer.write(job, *_ids(job))

    async def expire(self, job: Job) -> None:
        await self._exports.expire(*_ids(job))

    async def give_up(self, tx: Transaction, job: Job, error: str) -> None:
        """Tell the organization; `error` is for the operator."""
        del error
        _, export_id = _ids(job)
        await AuditExportRepository(tx).change(
            export_id,
            UNFINISHED,
            state=ExportState.FAILED.value,
            failure=GIVEN_UP,
            finish_time=clock.now(),
        )


def _ids(job: Job) -> tuple[UUID, UUID]:
    assert job.org_id is not None
    return job.org_id, UUID(job.payload["audit_export_id"])
