"""What the object storage keeps of a log: `audit/<owner>/<position>.json` for each checkpoint,
which never changes, and `latest.json`, which says what the last of them says.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from tenon_storage.errors import ObjectNotFound
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import Checkpoint, Gap, LogKey
from tenon_tenancy.audit_events.chain import EPOCH
from tenon_tenancy.audit_events.models import Log


class KeptCheckpoints:
    """The checkpoints that the database's administrator cannot reach."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def latest(self, key: LogKey) -> Checkpoint | None:
        """Return what `latest.json` says; if it is not there, the last checkpoint."""
        latest = await self._read(key, _latest(key))
        return latest or await self._last_listed(key)

    async def at(self, key: LogKey, position: int) -> Checkpoint | None:
        """Return the checkpoint of a position."""
        kept = await self._read(key, _name(key, position))
        return kept if kept is None or kept.position == position else _nobodys(key, position)

    async def keep(self, key: LogKey, checkpoint: Checkpoint) -> Checkpoint:
        """Keep a checkpoint; return that which was the first of its position."""
        there = await self.at(key, checkpoint.position)
        if there is None:
            await self._write(_name(key, checkpoint.position), checkpoint)
        return there or checkpoint

    async def point(self, key: LogKey, checkpoint: Checkpoint) -> None:
        """Let `latest.json` say the same as a checkpoint, unless it names a newer one."""
        latest = await self._read(key, _latest(key))
        if latest is None or latest.position < checkpoint.position:
            await self._write(_latest(key), checkpoint)

    async def all(self, key: LogKey, after: int = 0) -> AsyncIterator[Checkpoint | Gap]:
        """Yield the checkpoints after a position, in order, and before one the gap that it tells
        of.
        """
        latest = await self._read(key, _latest(key))
        if latest and 0 < latest.position <= after:
            latest = None
        before = after
        async for position in self._positions(key, after):
            kept = await self.at(key, position) or _nobodys(key, position)
            if latest and latest.position <= position:
                if latest != kept:
                    yield latest
                latest = None
            if kept.previous != before and not await self._is_known(key, kept.previous, after):
                yield Gap(kept.previous)
            yield kept
            before = position
        if latest:
            yield Gap(latest.position)
            yield latest

    async def owners(self, log: Log) -> AsyncIterator[UUID]:
        """Yield whose logs have checkpoints."""
        async for name in self._storage.list(f"audit/{log.kind}"):
            with suppress(ValueError):
                yield UUID(name)

    async def _is_known(self, key: LogKey, position: int, after: int) -> bool:
        return position <= after or await self.at(key, position) is not None

    async def _last_listed(self, key: LogKey) -> Checkpoint | None:
        last = None
        async for position in self._positions(key):
            last = position
        return None if last is None else await self.at(key, last)

    async def _positions(self, key: LogKey, after: int = 0) -> AsyncIterator[int]:
        async for name in self._storage.list(f"audit/{key}"):
            number = name.removesuffix(".json")
            if number.isdecimal() and int(number) > after:
                yield int(number)

    async def _read(self, key: LogKey, name: str) -> Checkpoint | None:
        """Read an object; what is no checkpoint of this log is one that nobody signed."""
        try:
            content = b"".join([chunk async for chunk in self._storage.read(name)])
            kept = documents.read(content)
        except ObjectNotFound:
            return None
        except documents.BadDocument:
            return _nobodys(key, 0)
        return kept if kept.owner == str(key) else _nobodys(key, 0)

    async def _write(self, name: str, checkpoint: Checkpoint) -> None:
        async with self._storage.write(name) as file:
            await file.write(documents.written(checkpoint))


def _nobodys(key: LogKey, position: int) -> Checkpoint:
    return Checkpoint(str(key), position, 0, b"", EPOCH, "", b"")


def _name(key: LogKey, position: int) -> str:
    return f"audit/{key}/{position:019}.json"


def _latest(key: LogKey) -> str:
    return f"audit/{key}/latest.json"
