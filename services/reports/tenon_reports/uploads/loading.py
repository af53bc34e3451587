"""Loading an uploaded file: read it once to know it is sound, and again to take its events.

Each chunk of records is one transaction that also moves the upload's row counter. So a load that
was interrupted goes on where it stood, and its own events are not duplicates to it.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tenon_core.errors import StorageFull
from tenon_db.database import Database
from tenon_jobs import Job, LeaseLost, YieldSlot
from tenon_reports import events
from tenon_reports.datasets.models import Dataset
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import DatasetNotFound
from tenon_reports.files.service import FileService
from tenon_reports.ingest.batch import Batch
from tenon_reports.ingest.models import Taken
from tenon_reports.ingest.service import IngestService
from tenon_reports.uploads.conversion import Conversion
from tenon_reports.uploads.decompression import BLOCK_BYTES, decompressed
from tenon_reports.uploads.models import Counts, Listed, UnusableFile, Upload, UploadState
from tenon_reports.uploads.records import RecordReader, Records
from tenon_reports.uploads.rejections import rejected_rows
from tenon_reports.uploads.repository import UploadRepository
from tenon_storage.errors import StorageUnavailable
from tenon_storage.storage import Storage

CHUNK_ROWS = 20_000
CHUNK_BYTES = 8 * 1024 * 1024
CHUNK_SECONDS = 120.0
GZIP_MAGIC = b"\x1f\x8b"

GIVEN_UP = "The file could not be loaded because of an error on our side. Please upload it again."
DELETED = "The dataset was deleted."


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records as a batch; `first` is the number of records before them."""

    first: int
    count: int
    batch: Batch
    rejected: bytes
    listed: Listed


class UploadLoader:
    def __init__(
        self,
        database: Database,
        storage: Storage,
        datasets: DatasetService,
        ingest: IngestService,
        files: FileService,
        *,
        max_bytes: int,
        slice_seconds: float,
    ) -> None:
        self._slice_seconds = slice_seconds
        self._database = database
        self._storage = storage
        self._datasets = datasets
        self._ingest = ingest
        self._files = files
        self._max_bytes = max_bytes

    async def load(self, job: Job, upload: Upload) -> None:
        """Load the file, or go on loading it; LeaseLost if another worker does, YieldSlot."""
        try:
            dataset = await self._start(upload)
            digest = upload.sha256 or await self._digest(upload)
            await self._take_all(job, upload, dataset, digest)
        except (StorageFull, StorageUnavailable) as error:
            async with self._database.tenant(upload.org_id) as tx:
                await UploadRepository(tx).wait(upload.id, error.detail)
            raise
        except UnusableFile as error:
            await self._finish(job, upload, UploadState.FAILED, str(error))
        except DatasetNotFound:
            await self._finish(job, upload, UploadState.FAILED, DELETED)
        else:
            await self._finish(job, upload, UploadState.SUCCEEDED)

    async def _start(self, upload: Upload) -> Dataset:
        async with self._database.tenant(upload.org_id) as tx:
            await UploadRepository(tx).start(upload.id)
            return await self._datasets.get_within(tx, upload.dataset_id)

    async def _digest(self, upload: Upload) -> str:
        """Read the whole file, so that nothing of a damaged one is loaded."""
        digest, size = hashlib.sha256(), 0
        async for block in self._blocks(upload):
            if not size and block.startswith(GZIP_MAGIC):
                raise UnusableFile("The file is gzip-compressed: upload it as such.")
            size += len(block)
            if size > self._max_bytes:
                raise UnusableFile(f"Decompressed, the file is over {self._max_bytes:,} bytes.")
            await asyncio.to_thread(digest.update, block)
        async with self._database.tenant(upload.org_id) as tx:
            await UploadRepository(tx).set_digest(upload.id, digest.hexdigest())
        return digest.hexdigest()

    async def _take_all(self, job: Job, upload: Upload, dataset: Dataset, digest: str) -> None:
        """Take chunk after chunk; the next is read while the database works on the last.

        The slice begins with the first chunk, so that every turn takes one: before that, what
        earlier turns have loaded is read again.
        """
        taking: asyncio.Task[None] | None = None
        slice_end = math.inf
        try:
            async for chunk in self._chunks(upload, dataset, digest):
                if taking:
                    await taking
                    await self._yield_after(slice_end, job, upload)
                slice_end = min(slice_end, time.monotonic() + self._slice_seconds)
                taking = asyncio.create_task(self._take(upload, dataset, chunk))
            if taking:
                await taking
        finally:
            if taking:
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)

    async def _yield_after(self, slice_end: float, job: Job, upload: Upload) -> None:
        if time.monotonic() > slice_end:
            async with self._database.tenant(upload.org_id) as tx:
                if await job.others_wait(tx):
                    await UploadRepository(tx).wait(upload.id)
                    raise YieldSlot

    async def _take(self, upload: Upload, dataset: Dataset, chunk: Chunk) -> None:
        batch = chunk.batch
        await self._ingest.make_room(batch)
        part = chunk.first if chunk.rejected else None
        if part is not None:
            async with self._storage.write(upload.rejected_key(part)) as writer:
                await writer.write(chunk.rejected)
        async with self._database.tenant(upload.org_id, statement_seconds=CHUNK_SECONDS) as tx:
            taken = await self._ingest.take_within(tx, dataset, batch)
            counts = _counts(taken, batch)
            repository = UploadRepository(tx)
            if not await repository.advance(
                upload.id, chunk.first, chunk.count, counts, part, chunk.listed
            ):
                raise LeaseLost(str(upload.id))

    async def _chunks(self, upload: Upload, dataset: Dataset, digest: str) -> AsyncIterator[Chunk]:
        """Yield what is not loaded yet."""
        conversion: Conversion | None = None
        first, listed = 0, upload.listed
        async for records in self._records(upload):
            if conversion is None:
                header = _header(records.take(1))
                conversion = Conversion(dataset, upload.header, header, digest)
                await self._note_missing(upload, conversion.missing)
            first += len(records.take(max(upload.rows - first, 0)))
            if len(records):
                chunk = await asyncio.to_thread(_chunk, conversion, records, first, listed)
                listed = Listed(
                    listed.rows + chunk.listed.rows,
                    listed.size_bytes + chunk.listed.size_bytes,
                )
                yield chunk
            first += len(records)
        if conversion is None:
            raise UnusableFile("The file is empty.")

    async def _note_missing(self, upload: Upload, names: Sequence[str]) -> None:
        if names:
            async with self._database.tenant(upload.org_id) as tx:
                await UploadRepository(tx).set_missing_columns(upload.id, names)

    async def _records(self, upload: Upload) -> AsyncIterator[Records]:
        """Yield the records, as many at a time as make a transaction.

        Where they are cut is told by the file alone: it must be the same when a load goes on.
        """
        reader, gathered = RecordReader(), Records()
        async for block in self._blocks(upload):
            gathered.extend(await asyncio.to_thread(reader.push, block))
            while count := gathered.complete(CHUNK_ROWS, CHUNK_BYTES):
                yield gathered.take(count)
        gathered.extend(await asyncio.to_thread(reader.end))
        if len(gathered):
            yield gathered

    def _blocks(self, upload: Upload) -> AsyncIterator[bytes]:
        chunks = self._storage.read(upload.body_key, BLOCK_BYTES)
        return decompressed(chunks) if upload.header.gzip else chunks

    async def _finish(
        self, job: Job, upload: Upload, state: UploadState, failure: str = ""
    ) -> None:
        async with self._database.tenant(upload.org_id) as tx:
            ended = await UploadRepository(tx).finish(upload.id, state, failure)
            if ended and state is UploadState.SUCCEEDED:
                await tx.publish(events.upload_succeeded(upload.org_id, upload.id, upload.user_id))
            if ended:
                await self._files.discard(tx, ended.working_keys)
            await job.complete(tx)


def _chunk(conversion: Conversion, records: Records, first: int, before: Listed) -> Chunk:
    """Make a chunk; `before` is what is listed of the rows that were rejected before it."""
    batch = conversion.batch(records, first + 1)
    rejected, rows = rejected_rows(records, batch, before)
    return Chunk(first, len(records), batch, rejected, Listed(rows, len(rejected)))


def _header(records: Records) -> list[str]:
    if refused := records.refused.get(0):
        raise UnusableFile(f"The header, on line {records.lines[0]}: {refused.reason}.")
    return records.cells[0]


def _counts(taken: Taken, batch: Batch) -> Counts:
    return Counts(taken.accepted, len(taken.duplicates), len(taken.conflicts), len(batch.failures))
