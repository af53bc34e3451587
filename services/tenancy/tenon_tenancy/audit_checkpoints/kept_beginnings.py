"""Where logs begin, as the object storage keeps it: `audit/<owner>/beginnings/<position>.json`, of
which none ever changes, and the last counts.
"""

from tenon_storage.errors import ObjectNotFound
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import Beginning, LogKey
from tenon_tenancy.audit_events.chain import EPOCH


class KeptBeginnings:
    """The beginnings that the database's administrator cannot reach."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def last(self, key: LogKey) -> Beginning | None:
        """Return where a log begins; None if that is line 1.

        What is no beginning of this log is one that nobody signed.
        """
        positions = [
            int(name.removesuffix(".json"))
            async for name in self._storage.list(f"audit/{key}/beginnings")
            if name.removesuffix(".json").isdecimal()
        ]
        return await self._read(key, max(positions)) if positions else None

    async def keep(self, key: LogKey, beginning: Beginning) -> None:
        """Keep a beginning; the first of a position stays."""
        name = _name(key, beginning.position)
        try:
            await self._storage.size(name)
        except ObjectNotFound:
            async with self._storage.write(name) as file:
                await file.write(documents.written(beginning))

    async def _read(self, key: LogKey, position: int) -> Beginning:
        chunks = [chunk async for chunk in self._storage.read(_name(key, position))]
        try:
            found = documents.read_any(b"".join(chunks))
        except documents.BadDocument:
            return _nobodys(key, position)
        if isinstance(found, Beginning) and (found.owner, found.position) == (str(key), position):
            return found
        return _nobodys(key, position)


def _nobodys(key: LogKey, position: int) -> Beginning:
    return Beginning(str(key), position, b"", EPOCH, "", b"")


def _name(key: LogKey, position: int) -> str:
    return f"audit/{key}/beginnings/{position:019}.json"
