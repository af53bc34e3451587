from uuid import UUID

from tenon_auth.exports.service import COLLECT, EXPIRE, ExportService
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType, Scope


class ExportTasks:
    def __init__(self, exports: ExportService) -> None:
        self._exports = exports

    def types(self) -> list[JobType]:
        return [
            JobType(COLLECT, self.collect, max_attempts=20, on_failed=self.fail, scope=Scope.USER),
            JobType(EXPIRE, self.expire, scope=Scope.USER),
        ]

    async def collect(self, job: Job) -> None:
        await self._exports.collect(job, *_ids(job))

    async def fail(self, tx: Transaction, job: Job, _: str) -> None:
        await self._exports.fail(tx, UUID(job.payload["export_id"]))

    async def expire(self, job: Job) -> None:
        await self._exports.expire(*_ids(job))


def _ids(job: Job) -> tuple[UUID, UUID]:
    assert job.user_id is not None
    return job.user_id, UUID(job.payload["export_id"])
