import asyncio
import dataclasses
import json
import zlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tenon_auth import events
from tenon_auth.clients import PersonalData
from tenon_auth.errors import ExportNotFound, TooManyExports
from tenon_auth.exports.models import A_DAY, EXPORTS_A_DAY, KEPT, MAX_BYTES, Export, ExportState
from tenon_auth.exports.repository import ExportRepository
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import GiveUp, Job, JobQueue
from tenon_policy.call import Call

COLLECT = "exports.collect"
EXPIRE = "exports.expire"


class ExportService:
    """Copies of people's own data: collected by a job, kept encrypted for some days."""

    def __init__(
        self, database: Database, cipher: FieldCipher, queue: JobQueue, personal_data: PersonalData
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._queue = queue
        self._personal_data = personal_data

    async def start(self, call: Call) -> Export:
        """Begin an export, or return the one that is being made; TooManyExports."""
        at = clock.now()
        export = Export(uuid7(), call.user, ExportState.QUEUED, at, at + KEPT)
        async with self._database.user(call.user) as tx:
            exports = ExportRepository(tx, self._cipher)
            if queued := await exports.find_queued():
                call.had_no_effect()
                return queued
            if await exports.count(at - A_DAY) >= EXPORTS_A_DAY:
                raise TooManyExports(retry_after=A_DAY.total_seconds() / EXPORTS_A_DAY)
            if not await exports.add(export):
                call.had_no_effect()
                return await exports.find_queued() or export
            await tx.publish(call.access(f"users/{call.user}/exports/{export.id}"))
            payload = {"export_id": str(export.id)}
            await self._queue.enqueue(tx, COLLECT, payload, user_id=call.user)
            await self._queue.enqueue(
                tx, EXPIRE, payload, user_id=call.user, run_at=export.expire_time
            )
        return export

    async def get(self, call: Call, export_id: UUID | None) -> Export:
        """Return one of the caller's exports; ExportNotFound."""
        async with self._database.user(call.user) as tx:
            export = export_id and await ExportRepository(tx, self._cipher).find(export_id)
        if not export:
            raise ExportNotFound
        return export

    async def read(self, call: Call, export_id: UUID | None) -> bytes:
        """Return the document of one of the caller's exports; ExportNotFound."""
        async with self._database.user(call.user) as tx:
            found = export_id and await ExportRepository(tx, self._cipher).read(export_id)
        if not found:
            raise ExportNotFound
        return await asyncio.to_thread(zlib.decompress, found)

    async def collect(self, job: Job, user_id: UUID, export_id: UUID) -> None:
        """Ask every service, and keep what they say, if it is still wanted; GiveUp if nobody could
        fetch it.
        """
        async with self._database.user(user_id) as tx:
            export = await ExportRepository(tx, self._cipher).find(export_id)
        if export is None or export.state is not ExportState.QUEUED:
            return
        services = await self._personal_data.collect(user_id)
        held = {"user_id": str(user_id), "time": clock.now().isoformat(), "services": services}
        size, document = await asyncio.to_thread(_packed, held)
        if size > MAX_BYTES:
            raise GiveUp(f"a document of {size} bytes, of which {MAX_BYTES} can be sent")
        finished = dataclasses.replace(
            export,
            state=ExportState.SUCCEEDED,
            finish_time=clock.now(),
            size_bytes=size,
        )
        async with self._database.user(user_id) as tx:
            exports = ExportRepository(tx, self._cipher)
            if await exports.finish(finished, document):
                await tx.publish(events.export_finished(user_id, export_id))
            await job.complete(tx)

    async def fail(self, tx: Transaction, export_id: UUID) -> None:
        """Record, in the user's transaction, that it was tried long enough."""
        exports = ExportRepository(tx, self._cipher)
        export = await exports.find(export_id)
        if export:
            failed = dataclasses.replace(export, state=ExportState.FAILED, finish_time=clock.now())
            await exports.finish(failed)

    async def expire(self, user_id: UUID, export_id: UUID) -> None:
        async with self._database.user(user_id) as tx:
            await ExportRepository(tx, self._cipher).delete(user_id, export_id)


def _packed(held: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return how long a document is, and it, compressed."""
    document = json.dumps(held, ensure_ascii=False).encode()
    return len(document), zlib.compress(document)
