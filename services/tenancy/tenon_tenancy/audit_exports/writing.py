"""Writing the files of an export: the log, and the checkpoints that prove it.

A file appears in the storage when it is whole. A worker that goes on for a dead one writes it anew,
which `MAX_LINES` bounds.
"""

import time
from collections.abc import Mapping
from uuid import UUID

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints import documents as checkpoint_documents
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_events.models import ORGANIZATIONS
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_events.showing import shown_log
from tenon_tenancy.audit_exports.documents import HEADERS, WRITTEN
from tenon_tenancy.audit_exports.models import (
    MAX_LINES,
    UNFINISHED,
    AuditExport,
    ExportState,
    Stretch,
)
from tenon_tenancy.audit_exports.repository import AuditExportRepository
from tenon_tenancy.clients import AuditClients

NOTE_SECONDS = 0.5
TOO_LONG = f"There are more than {MAX_LINES:,} lines. Export a shorter time."


class Stopped(Exception):  # an event, and no error
    """Nobody wants the export any more."""


class AuditExportWriter:
    def __init__(
        self,
        database: Database,
        storage: Storage,
        audit_events: AuditEventService,
        checkpoints: AuditCheckpointService,
        clients: AuditClients,
    ) -> None:
        self._database = database
        self._storage = storage
        self._audit_events = audit_events
        self._checkpoints = checkpoints
        self._clients = clients

    async def write(self, job: Job, org_id: UUID, export_id: UUID) -> None:
        """Write an export's files and end it together with its job; keep none that nobody wants."""
        async with self._database.tenant(org_id) as tx:
            export = await AuditExportRepository(tx).change(
                export_id, UNFINISHED, state=ExportState.RUNNING.value
            )
        if export is None:
            return
        try:
            await self._write(job, export)
        except Stopped:
            await self._storage.delete(export.log_key)
            await self._storage.delete(export.checkpoints_key)

    async def _write(self, job: Job, export: AuditExport) -> None:
        stretch = export.stretch or await self._settled(export)
        if stretch.lines > MAX_LINES:
            await self._end(job, export, ExportState.FAILED, failure=TOO_LONG)
            return
        await self._write_checkpoints(export, stretch)
        lines, size = await self._write_log(export, stretch)
        await self._end(job, export, ExportState.SUCCEEDED, lines=lines, size_bytes=size)

    async def _settled(self, export: AuditExport) -> Stretch:
        """Settle which lines it holds: those of its time, and the others as far as the checkpoints
        before and after.
        """
        wanted = Filters(start_time=export.start_time, end_time=export.end_time)
        ends = await self._audit_events.ends(export.org_id, wanted)
        if ends:
            first, last = await self._checkpoints.around(_key(export), *ends)
            stretch = Stretch(first, last)
        else:
            stretch = Stretch(1, 0)
        await self._note(export, first_position=stretch.first, last_position=stretch.last)
        return stretch

    async def _write_checkpoints(self, export: AuditExport, stretch: Stretch) -> None:
        """Write the checkpoint that the lines follow, and those of the lines."""
        async with self._storage.write(export.checkpoints_key) as file:
            found = self._checkpoints.between(_key(export), stretch.first - 1, stretch.last)
            async for checkpoint in found:
                await file.write(checkpoint_documents.written(checkpoint))

    async def _write_log(self, export: AuditExport, stretch: Stretch) -> tuple[int, int]:
        """Write the lines; return how many, and the size of the file."""
        written, lines, noted = WRITTEN[export.format], 0, time.monotonic()
        header = HEADERS[export.format]
        size = len(header)
        async with self._storage.write(export.log_key) as file:
            await file.write(header)
            stored = read_log(
                self._database, ORGANIZATIONS, export.org_id, stretch.first - 1, stretch.last
            )
            async for line in shown_log(self._clients, stored):
                chunk = written(str(_key(export)), line)
                await file.write(chunk)
                lines, size = lines + 1, size + len(chunk)
                if time.monotonic() - noted > NOTE_SECONDS:
                    await self._note(export, lines=lines)
                    noted = time.monotonic()
        return lines, size

    async def _note(self, export: AuditExport, **values: object) -> None:
        """Record how far it is; Stopped if nobody wants it any more."""
        async with self._database.tenant(export.org_id) as tx:
            await _changed(tx, export, values)

    async def _end(
        self, job: Job, export: AuditExport, state: ExportState, **values: object
    ) -> None:
        async with self._database.tenant(export.org_id) as tx:
            ended = {"state": state.value, "finish_time": clock.now(), **values}
            await _changed(tx, export, ended)
            await job.complete(tx)


async def _changed(tx: Transaction, export: AuditExport, values: Mapping[str, object]) -> None:
    if not await AuditExportRepository(tx).change(export.id, UNFINISHED, **values):
        raise Stopped


def _key(export: AuditExport) -> LogKey:
    return LogKey(ORGANIZATIONS, export.org_id)
