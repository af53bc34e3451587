import asyncio
from uuid import UUID

import structlog

from tenon_core.accounts import acting_for
from tenon_core.errors import TenonError
from tenon_db.database import Database
from tenon_jobs import Job, JobQueue, JobType
from tenon_tenancy.audit_streams.delivering import (
    FAST_ATTEMPT_SECONDS,
    SLOW_ATTEMPT_SECONDS,
    AuditDeliveryService,
)
from tenon_tenancy.audit_streams.models import DueStream

DELIVER, DELIVER_SLOW = "audit_streams.deliver", "audit_streams.deliver_slow"
SLOTS = 16
"""Of each of the two lanes, in a worker."""
EVERY_SECONDS = 1.0

log = structlog.get_logger()


class AuditStreamTasks:
    """A job for each stream that has something to send.

    They have slots of their own, of which an organization and an account have a share, and slow
    endpoints have other slots than the rest: so they hold up neither other work nor others' logs.
    """

    def __init__(
        self, database: Database, queue: JobQueue, deliveries: AuditDeliveryService
    ) -> None:
        self._database = database
        self._queue = queue
        self._deliveries = deliveries

    def types(self) -> list[JobType]:
        return [
            JobType(
                DELIVER,
                self.deliver,
                concurrency=SLOTS,
                organization_concurrency=1,
                account_concurrency=2,
            ),
            JobType(
                DELIVER_SLOW,
                self.deliver_slow,
                concurrency=SLOTS,
                organization_concurrency=1,
                account_concurrency=1,
            ),
        ]

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
        async for stream in self._deliveries.due():
            await self._enqueue(stream)

    async def _enqueue(self, stream: DueStream) -> None:
        job_type = DELIVER_SLOW if stream.is_slow else DELIVER
        payload, key = {"stream_id": str(stream.id)}, str(stream.id)
        with acting_for(stream.account_id):
            async with self._database.system("jobs") as tx:
                await self._queue.enqueue(
                    tx, job_type, payload, org_id=stream.org_id, dedupe_key=key
                )

    async def deliver(self, job: Job) -> None:
        await self._deliver(job, FAST_ATTEMPT_SECONDS)

    async def deliver_slow(self, job: Job) -> None:
        await self._deliver(job, SLOW_ATTEMPT_SECONDS)

    async def _deliver(self, job: Job, attempt_seconds: float) -> None:
        assert job.org_id is not None, "a stream is an organization's"
        stream_id = UUID(job.payload["stream_id"])
        await self._deliveries.deliver(job.org_id, stream_id, attempt_seconds)
