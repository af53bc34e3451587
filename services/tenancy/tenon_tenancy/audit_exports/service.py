from datetime import datetime
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_jobs import JobQueue
from tenon_policy.call import Call
from tenon_storage.storage import Storage
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_exports.models import (
    AT_ONCE,
    KEPT,
    LINK_LIFETIME,
    UNFINISHED,
    AuditExport,
    ExportFormat,
    ExportState,
)
from tenon_tenancy.audit_exports.repository import AuditExportRepository
from tenon_tenancy.errors import (
    AuditExportExpired,
    AuditExportNotFinished,
    TooManyAuditExports,
)

WRITE = "audit_exports.write"
EXPIRE = "audit_exports.expire"
RETRY_SECONDS = 30.0


class AuditExportService:
    """Copies of audit logs as files."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        audit_events: AuditEventService,
    ) -> None:
        self._database = database
        self._queue = queue
        self._storage = storage
        self._audit_events = audit_events

    async def start(
        self, call: Call, file_format: ExportFormat | None, filters: Filters
    ) -> AuditExport:
        """Queue an export of the time that the filters say; TooManyAuditExports."""
        if file_format is None:
            raise InvalidArgument(fields=[FieldError("/format", "must be csv or jsonl")])
        filters.require_valid()
        export = _new_export(call, file_format, filters, clock.now())
        async with self._database.tenant(call.org) as tx:
            await self._audit_events.head_within(tx)  # locks it, so that those at once are counted
            exports = AuditExportRepository(tx)
            if await exports.count_unfinished() >= AT_ONCE:
                raise TooManyAuditExports(retry_after=RETRY_SECONDS)
            await exports.add(export)
            payload = {"audit_export_id": str(export.id)}
            await self._queue.enqueue(tx, WRITE, payload, org_id=call.org)
            await self._queue.enqueue(
                tx, EXPIRE, payload, org_id=call.org, run_at=export.expire_time
            )
            await tx.publish(call.access(f"audit_exports/{export.id}"))
        return export

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[AuditExport]:
        """List them, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await AuditExportRepository(tx).page(before, size + 1)
        return cut(found, size, lambda one: (one.id,))

    async def get(self, call: Call, export_id: UUID | None) -> AuditExport:
        """Return it; AuditExportNotFound."""
        async with self._database.tenant(call.org) as tx:
            return await AuditExportRepository(tx).get(export_id)

    async def links(self, call: Call, export_id: UUID | None) -> tuple[str, str]:
        """Return links to the log and its checkpoints; AuditExportExpired, AuditExportNotFinished,
        AuditExportNotFound.
        """
        export = await self.get(call, export_id)
        if export.state is ExportState.EXPIRED or export.expire_time <= clock.now():
            raise AuditExportExpired
        if export.state is not ExportState.SUCCEEDED:
            raise AuditExportNotFinished
        log = await self._storage.link(export.log_key, export.log_name, LINK_LIFETIME)
        checkpoints = await self._storage.link(
            export.checkpoints_key, export.checkpoints_name, LINK_LIFETIME
        )
        return log, checkpoints

    async def expire(self, org_id: UUID, export_id: UUID) -> None:
        """Delete the files of an export whose time is over, whatever became of it."""
        async with self._database.tenant(org_id) as tx:
            exports = AuditExportRepository(tx)
            ended = UNFINISHED | {ExportState.SUCCEEDED}
            await exports.change(export_id, ended, state=ExportState.EXPIRED.value)
            export = await exports.find(export_id)
        if export:
            await self._storage.delete(export.log_key)
            await self._storage.delete(export.checkpoints_key)


def _new_export(
    call: Call, file_format: ExportFormat, filters: Filters, at: datetime
) -> AuditExport:
    return AuditExport(
        org_id=call.org,
        id=uuid7(),
        state=ExportState.QUEUED,
        format=file_format,
        start_time=filters.start_time,
        end_time=filters.end_time,
        create_time=at,
        expire_time=at + KEPT,
    )
