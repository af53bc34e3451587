import asyncio
from uuid import UUID

import structlog

from tenon_core.errors import TenonError
from tenon_db.database import Database
from tenon_jobs import Job, JobQueue, JobType
from tenon_tenancy.audit_streams.delivering import AuditDeliveryService

DELIVER = "audit_streams.deliver"
EVERY_SECONDS = 1.0

log = structlog.get_logger()


class AuditStreamTasks:
    """A job for each stream that has something to send. They have slots of their own, of which no
    organization has all: slow endpoints hold up neither other work nor other organizations.
    """

    def __init__(
        self, database: Database, queue: JobQueue, deliveries: AuditDeliveryService
    ) -> None:
        self._database = database
        self._queue = queue
        self._deliveries = deliveries

    def types(self) -> list[JobType]:
        return [JobType(DELIVER, self.deliver, concurrency=16, organization_concurrency=2)]

    async def run(self) -> None:
        """Look for streams again and again, beside the jobs: nothing waits for them, and who
        writes to a log does nothing for its streams.
        """
        while True:
            try:
                await self.look()
            except TenonError as error:
                log.warning("no streams of audit logs were looked for", error=error.detail)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        async for org_id, stream_id in self._deliveries.due():
            async with self._database.system("jobs") as tx:
                payload = {"stream_id": str(stream_id)}
                key = str(stream_id)
                await self._queue.enqueue(tx, DELIVER, payload, org_id=org_id, dedupe_key=key)

    async def deliver(self, job: Job) -> None:
        assert job.org_id is not None, "a stream is an organization's"
        await self._deliveries.deliver(job.org_id, UUID(job.payload["stream_id"]))
