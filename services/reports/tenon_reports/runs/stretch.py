"""What one worker writes of a file of events, and the record of it in the run's row."""

import asyncio
import csv
import io
from collections.abc import Awaitable
from datetime import datetime
from typing import Self

from tenon_db.database import Database
from tenon_reports.runs.models import Run, Written
from tenon_reports.runs.repository import RunRepository
from tenon_reports.runs.stopping import Stopped
from tenon_storage.storage import Part, PartWriter, part_bytes


class Stretch:
    """While a part is being stored and noted, the next is gathered.

    Leaving its block well stores and notes the rest; otherwise what was noted stays.
    """

    def __init__(self, database: Database, run: Run, written: Written, writer: PartWriter) -> None:
        self.written = written
        self._database = database
        self._run = run
        self._writer = writer
        self._lines = written.lines
        self._size = 0
        self._last = b""
        self._noting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self._seal(whole=True)
                await self.settle()
        finally:
            if self._noting:
                self._noting.cancel()
                await asyncio.gather(self._noting, return_exceptions=True)

    @property
    def is_at_boundary(self) -> bool:
        """Whether all that was added is in parts, the last of which may still be being stored."""
        return self._size == 0 and self._noting is not None

    async def add(self, lines: int, chunk: bytes) -> None:
        await self._writer.write(chunk)
        self._lines += lines
        self._size += len(chunk)
        self._last = chunk
        if self._size >= part_bytes(len(self.written.parts) + 1):
            await self._seal(whole=False)

    async def _seal(self, *, whole: bool) -> None:
        """End the part here; one at a time is stored."""
        await self.settle()
        last_time = _last_time(self._last) if self._size else self.written.last_time
        storing, self._size = self._writer.seal(), 0
        note = self._note(storing, self._lines, last_time, whole=whole)
        self._noting = asyncio.create_task(note)

    async def settle(self) -> None:
        """Wait until the last part is stored and noted."""
        if self._noting:
            await self._noting

    async def _note(
        self, storing: Awaitable[Part], lines: int, last_time: datetime | None, *, whole: bool
    ) -> None:
        after = self.written.with_part(await storing, lines, last_time, whole=whole)
        async with self._database.tenant(self._run.org_id) as tx:
            if not await RunRepository(tx).note_written(self._run.id, self.written, after):
                raise Stopped
        self.written = after


def _last_time(chunk: bytes) -> datetime | None:
    """Read the time of the last row of a chunk of CSV; None if that is the header."""
    *_, row = csv.reader(io.StringIO(chunk.decode(), newline=""))
    return None if row[1] == "time" else datetime.fromisoformat(row[1])
