"""Objects of the file driver that are written in parts: prefixes of one file that grows."""

import asyncio
import fcntl
import os
import zlib
from collections.abc import Awaitable, Sequence
from pathlib import Path

from tenon_storage.errors import PartsLost
from tenon_storage.storage import Part
from tenon_storage.threads import in_thread, to_the_end

BUFFER_BYTES = 1024 * 1024


class FilePartWriter:
    """Appends to a file that it holds locked, so that no late writer of before does, too."""

    def __init__(self, descriptor: int, incoming: Path, target: Path, offset: int) -> None:
        self._descriptor = descriptor
        self._incoming = incoming
        self._target = target
        self._offset = offset  # where the buffer belongs
        self._buffer = bytearray()
        self._size = 0
        self._sum = 0
        self._sealing: asyncio.Future[Part] | None = None

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        if len(self._buffer) >= BUFFER_BYTES:
            full, offset = self._take()
            self._sum = await to_the_end(in_thread(self._put, full, offset, self._sum))

    def seal(self) -> Awaitable[Part]:
        rest, offset = self._take()
        size, checksum = self._size, self._sum
        self._size, self._sum = 0, 0
        self._sealing = asyncio.ensure_future(in_thread(self._sealed, rest, offset, size, checksum))
        return asyncio.shield(self._sealing)

    async def complete(self, parts: Sequence[Part]) -> None:
        length = sum(part.size for part in parts)
        await to_the_end(in_thread(self._publish, length))

    async def close(self) -> None:
        """Let go of the file, and of the lock with it, when no thread uses it any more."""
        if self._sealing:
            await asyncio.wait([self._sealing])
        await in_thread(os.close, self._descriptor)

    def _take(self) -> tuple[bytearray, int]:
        full, self._buffer = self._buffer, bytearray()
        offset = self._offset
        self._offset += len(full)
        self._size += len(full)
        return full, offset

    def _put(self, data: bytearray, offset: int, checksum: int) -> int:
        """Write where it belongs, whatever else is being written, and go on with the checksum."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written
        return zlib.crc32(data, checksum)

    def _sealed(self, rest: bytearray, offset: int, size: int, checksum: int) -> Part:
        checksum = self._put(rest, offset, checksum)
        os.fdatasync(self._descriptor)
        return Part(size, f"{checksum:08x}")

    def _publish(self, length: int) -> None:
        os.ftruncate(self._descriptor, length)
        os.fsync(self._descriptor)
        publish(self._incoming, self._target)


def opened(incoming: Path, target: Path, written: Sequence[Part]) -> FilePartWriter:
    """Open, lock and check a file that was begun, and cut off what no part of it is."""
    descriptor = os.open(incoming, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        offset = _checked(descriptor, written)
        os.ftruncate(descriptor, offset)
    except BlockingIOError as error:
        os.close(descriptor)
        raise PartsLost from error
    except BaseException:
        os.close(descriptor)
        raise
    return FilePartWriter(descriptor, incoming, target, offset)


def _checked(descriptor: int, written: Sequence[Part]) -> int:
    """Read what is there, and return its length; PartsLost if it is not as it was written."""
    offset = 0
    for part in written:
        end, checksum = offset + part.size, 0
        while offset < end:
            data = os.pread(descriptor, min(BUFFER_BYTES, end - offset), offset)
            if not data:
                raise PartsLost
            offset, checksum = offset + len(data), zlib.crc32(data, checksum)
        if part.etag != f"{checksum:08x}":
            raise PartsLost
    return offset


def publish(incoming: Path, target: Path) -> None:
    """Make a durable file visible under its name, and its name durable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
