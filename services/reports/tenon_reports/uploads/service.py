from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument, LimitExceeded, NotFound
from tenon_core.ids import uuid7
from tenon_core.slots import Holder, Slots
from tenon_db.database import Database
from tenon_jobs import JobQueue, QueueLimits
from tenon_policy.call import Call
from tenon_reports import zones
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import DatasetNotFound
from tenon_reports.limits import UPLOAD_BYTES, UPLOADS
from tenon_reports.uploads.models import Counts, Header, Upload, UploadState
from tenon_reports.uploads.rejections import HEADER_LINE, last_line
from tenon_reports.uploads.repository import UploadRepository
from tenon_storage.storage import Storage, Writer

LOAD = "uploads.load"
RECLAIM = "uploads.reclaim"
LONGEST_RECEIPT = timedelta(days=1)
PURGE_UPLOADS = 100


class UploadService:
    """CSV files on their way into datasets."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        datasets: DatasetService,
        *,
        max_bytes: int,
        slots: int,
        pending: QueueLimits,
    ) -> None:
        self._slots = Slots(UPLOADS, slots)
        self._pending = pending
        self._database = database
        self._queue = queue
        self._storage = storage
        self._datasets = datasets
        self._max_bytes = max_bytes

    async def create(
        self,
        call: Call,
        dataset_id: UUID | None,
        header: Header,
        chunks: AsyncIterator[bytes],
    ) -> Upload:
        """Receive a file and queue it for loading; a broken stream leaves nothing.

        Should this process die before the upload is made, a job deletes what was received.
        """
        dataset = await self._datasets.get(call, dataset_id)
        _require_valid(header)
        upload = Upload(
            org_id=call.org,
            id=uuid7(),
            dataset_id=dataset.id,
            user_id=call.user_id,
            state=UploadState.QUEUED,
            header=header,
            size_bytes=0,
            sha256=None,
            rows=0,
            counts=Counts(),
            missing_columns=(),
            rejected_parts=(),
            failure="",
            create_time=clock.now(),
            finish_time=None,
        )
        async with self._slots.held(Holder(call.account_id or call.org, call.org)):
            await self._reclaim_unless_made(upload)
            async with self._storage.write(upload.body_key) as writer:
                size = await self._receive(chunks, writer)
            upload = replace(upload, size_bytes=size)
            await self._add_or_delete(call, upload)
        return upload

    async def get(self, call: Call, upload_id: UUID | None) -> Upload:
        async with self._database.tenant(call.org) as tx:
            return await UploadRepository(tx).get(upload_id)

    async def read_rejected(self, call: Call, upload_id: UUID | None) -> AsyncIterator[bytes]:
        """Yield the rejected rows so far as CSV."""
        upload = await self.get(call, upload_id)
        yield HEADER_LINE
        for part in upload.rejected_parts:
            async for chunk in self._storage.read(upload.rejected_key(part)):
                yield chunk
        if line := last_line(upload.counts.rejected, upload.listed.rows):
            yield line

    async def purge(self, org_id: UUID, dataset_id: UUID) -> None:
        """Remove the files, then the rows of a deleted dataset's uploads."""
        while True:
            async with self._database.tenant(org_id) as tx:
                found = await UploadRepository(tx).page_of_dataset(dataset_id, PURGE_UPLOADS)
            for key in [key for upload in found for key in upload.file_keys]:
                await self._storage.delete(key)
            async with self._database.tenant(org_id) as tx:
                await UploadRepository(tx).remove([upload.id for upload in found])
            if len(found) < PURGE_UPLOADS:
                return

    async def _receive(self, chunks: AsyncIterator[bytes], writer: Writer) -> int:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise UPLOAD_BYTES.exceeded()
            await writer.write(chunk)
        return size

    async def _add_or_delete(self, call: Call, upload: Upload) -> None:
        """Make the upload. Without a dataset or room for it there is none, and no body. After any
        other failure it may have been committed: the body is left to RECLAIM.
        """
        try:
            await self._add(call, upload)
        except (DatasetNotFound, NotFound, LimitExceeded):
            await self._storage.delete(upload.body_key)
            raise

    async def _add(self, call: Call, upload: Upload) -> None:
        async with self._database.tenant(call.org) as tx:
            await self._datasets.get_within(tx, upload.dataset_id)
            await UploadRepository(tx).add(upload)
            await self._queue.enqueue(
                tx,
                LOAD,
                {"upload_id": str(upload.id)},
                org_id=call.org,
                user_id=call.user_id,
                limits=self._pending,
            )
            await tx.publish(call.access(f"datasets/{upload.dataset_id}/uploads/{upload.id}"))

    async def _reclaim_unless_made(self, upload: Upload) -> None:
        payload = {"upload_id": str(upload.id)}
        later = upload.create_time + LONGEST_RECEIPT
        async with self._database.tenant(upload.org_id) as tx:
            await self._queue.require_room(tx, LOAD, upload.org_id, self._pending)
            await self._queue.enqueue(tx, RECLAIM, payload, org_id=upload.org_id, run_at=later)


def _require_valid(header: Header) -> None:
    errors = []
    if not header.time_column.strip():
        errors.append(FieldError("/time_column", "is needed"))
    if header.time_zone and not zones.is_zone(header.time_zone):
        errors.append(FieldError("/time_zone", zones.NOT_A_ZONE))
    if errors:
        raise InvalidArgument(fields=errors)
