from uuid import UUID

import structlog

from tenon_db.database import Database
from tenon_jobs import GiveUp, Job, JobQueue, JobType, Recurring, Scope
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, LogKey
from tenon_tenancy.audit_retention.service import AuditRetentionService
from tenon_tenancy.errors import AuditLogBroken

LOOK = "audit_retention.look"
REMOVE = "audit_retention.remove"
DAILY = "7 2 * * *"

log = structlog.get_logger()


class AuditRetentionTasks:
    """Daily, a job for each log that is not kept for ever."""

    def __init__(
        self, database: Database, queue: JobQueue, retention: AuditRetentionService
    ) -> None:
        self._database = database
        self._queue = queue
        self._retention = retention

    def types(self) -> list[JobType]:
        return [
            JobType(LOOK, self.look, scope=Scope.SYSTEM),
            JobType(REMOVE, self.remove, concurrency=1, scope=Scope.SYSTEM),
        ]

    def recurring(self) -> list[Recurring]:
        return [Recurring(LOOK, DAILY, LOOK)]

    async def look(self, _: Job) -> None:
        async for key in self._retention.limited():
            payload = {"kind": key.log.kind, "owner_id": str(key.owner_id)}
            async with self._database.system("jobs") as tx:
                await self._queue.enqueue(tx, REMOVE, payload, dedupe_key=str(key))

    async def remove(self, job: Job) -> None:
        kind, owner_id = job.payload["kind"], UUID(job.payload["owner_id"])
        key = next(LogKey(one, owner_id) for one in CHECKPOINTS if one.kind == kind)
        try:
            await self._retention.remove_old(key)
        except AuditLogBroken as error:
            log.error("audit log is broken: kept whole", log=str(key), error=error.detail)  # noqa: TRY400
            raise GiveUp(error.reason) from error
