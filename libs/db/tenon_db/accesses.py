"""The audit of reads: recorded before the reply, many at once."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from tenon_core import clock
from tenon_core.coalescing import Coalescer
from tenon_core.errors import TenonError
from tenon_core.events import Event
from tenon_db.database import Database

FLUSH_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Reads that are equal within a minute are one record with a count.

    One session reads several organizations, and the resource does not name the organization.
    """

    org_id: UUID | None
    session_id: UUID | None
    peer: str
    method: str
    resource: str
    client: str
    """What tells one client's address and user agent from another's."""
    minute: int


class Record(Protocol):
    """Makes the audit event of a read that happened `count` times."""

    def __call__(self, count: int) -> Event: ...


class AccessLog:
    """Writes the first of equal reads to the outbox before it is answered, by group commit;
    the others are counted and written when their minute is over.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._first = Coalescer[AccessKey, None](self._write_first)
        self._starting: dict[AccessKey, Record] = {}
        self._recorded: dict[AccessKey, Record] = {}
        self._repeats: Counter[AccessKey] = Counter()

    async def record(self, key: AccessKey, record: Record) -> None:
        """Return once the read is on record; whatever keeps it from that is raised."""
        if key in self._recorded:
            self._repeats[key] += 1
            return
        if key in self._starting:
            self._repeats[key] += 1
        else:
            self._starting[key] = record
        await self._first.get(key)

    async def run(self) -> None:
        """Write the counts of past minutes until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush(before=clock.current_minute())
            except TenonError as error:
                log.warning("counts of reads wait", error=error.detail)

    async def flush(self, *, before: int) -> None:
        """Write the counts of the minutes before this one, and forget these."""
        past = [key for key in self._recorded if key.minute < before]
        counts = {key: self._repeats[key] for key in past if self._repeats[key]}
        if counts:
            async with self._database.system("audit of reads") as tx:
                await tx.publish(*(self._recorded[key](count) for key, count in counts.items()))
        for key in past:
            del self._recorded[key]
            self._repeats.pop(key, None)

    async def _write_first(self, keys: Sequence[AccessKey]) -> Mapping[AccessKey, None]:
        records = {key: self._starting[key] for key in keys}
        try:
            async with self._database.system("audit of reads") as tx:
                await tx.publish(*(record(1) for record in records.values()))
            self._recorded.update(records)
        except BaseException:
            for key in keys:
                self._repeats.pop(key, None)  # none of them is answered
            raise
        finally:
            for key in keys:
                del self._starting[key]
        return dict.fromkeys(keys)
