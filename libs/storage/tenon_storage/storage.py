"""What every storage of files does."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

CHUNK_BYTES = 256 * 1024


class Writer(Protocol):
    """An object while it is written."""

    async def write(self, chunk: bytes) -> None: ...


class Storage(Protocol):
    """Objects by key. Every method may raise StorageUnavailable; ValueError for a bad key."""

    def write(self, key: str) -> AbstractAsyncContextManager[Writer]:
        """Write an object, replacing one of this key.

        It appears whole when the block is left, and not at all if it is left by an exception
        or a cancellation.
        """
        ...

    def read(self, key: str, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Yield the object in chunks of at most so many bytes; ObjectNotFound."""
        ...

    async def size(self, key: str) -> int:
        """Return the object's size in bytes; ObjectNotFound."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object, if it is there."""
        ...

    async def link(self, key: str, filename: str, expires: timedelta) -> str:
        """Return a URL that lets whoever has it download the object for that long."""
        ...
