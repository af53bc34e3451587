"""What every storage of files does."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

CHUNK_BYTES = 256 * 1024
PART_BYTES = 16 * 1024 * 1024
PARTS_OF_ONE_SIZE = 2_500


class Writer(Protocol):
    """An object while it is written."""

    async def write(self, chunk: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an object that is stored for good; `etag` is how it can be told from another."""

    size: int
    etag: str


class PartWriter(Protocol):
    """An object while it is written in parts, which outlive the process that writes them."""

    async def write(self, chunk: bytes) -> None: ...

    def seal(self) -> Awaitable[Part]:
        """End the part here. What is written from now on belongs to the next.

        The part is stored for good once what is returned has been awaited; one part at a time.
        """
        ...

    async def complete(self, parts: Sequence[Part]) -> None:
        """Make the object of all its parts, replacing one of this key; PartsLost."""
        ...


def part_bytes(number: int) -> int:
    """Return how long the part with this number, from 1, should be at least.

    S3 takes 10,000 parts. So many of this size are 600 GB, and the first 2,500 need little memory.
    """
    return PART_BYTES << min((number - 1) // PARTS_OF_ONE_SIZE, 3)


class Storage(Protocol):
    """Objects by key. Every method may raise StorageUnavailable; ValueError for a bad key."""

    def write(self, key: str) -> AbstractAsyncContextManager[Writer]:
        """Write an object, replacing one of this key.

        It appears whole when the block is left, and not at all if it is left by an exception
        or a cancellation.
        """
        ...

    async def begin(self, key: str) -> str:
        """Begin to write an object in parts; return the name of that, for the three below."""
        ...

    def parts(
        self, key: str, name: str, written: Sequence[Part]
    ) -> AbstractAsyncContextManager[PartWriter]:
        """Go on after the parts that are written; PartsLost if they are not as they were.

        What is left without `complete` stays, up to the last part that was sealed.
        """
        ...

    async def abandon(self, key: str, name: str) -> None:
        """Delete the parts of an object that shall not be, if they are there."""
        ...

    def read(self, key: str, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Yield the object in chunks of at most so many bytes; ObjectNotFound."""
        ...

    async def size(self, key: str) -> int:
        """Return the object's size in bytes; ObjectNotFound."""
        ...

    def list(self, folder: str) -> AsyncIterator[str]:
        """Yield the names of the objects and folders directly in a folder, in order."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object, if it is there."""
        ...

    async def delete_folder(self, folder: str) -> int:
        """Delete all objects below a folder, and the parts that can be found of such as were begun;
        return how many objects there were.
        """
        ...

    async def folder_size(self, folder: str) -> int:
        """Return the size in bytes of all objects below a folder."""
        ...

    async def link(self, key: str, filename: str, expires: timedelta) -> str:
        """Return a URL that lets whoever has it download the object for that long."""
        ...
