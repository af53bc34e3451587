"""Files in a directory, for development and for a single machine."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from tenon_storage.errors import ObjectNotFound, PartsLost, told
from tenon_storage.file_parts import FilePartWriter, opened, publish
from tenon_storage.keys import checked
from tenon_storage.links import Grant, sign_link
from tenon_storage.storage import CHUNK_BYTES, Part
from tenon_storage.threads import in_thread, to_the_end

# Files that are being written; the dot keeps it out of the keys' reach.
INCOMING = ".incoming"
# What a killed process left behind is older than any living writer's last write.
STALE_SECONDS = 24 * 3600
BUFFER_BYTES = 1024 * 1024


class FileStorage:
    """Objects as files below `directory`; links lead to `{base_url}/api/files/{token}`."""

    def __init__(self, directory: Path, key: bytes, base_url: str) -> None:
        """Make the directory if need be. `key` signs the links."""
        self._directory = directory
        self._key = key
        self._base_url = base_url.rstrip("/")
        (directory / INCOMING).mkdir(parents=True, exist_ok=True)
        _sweep(directory / INCOMING)

    @asynccontextmanager
    async def write(self, key: str) -> AsyncIterator["FileWriter"]:
        target = self._directory / checked(key)
        incoming = self._directory / INCOMING / uuid4().hex
        with told():
            writer = FileWriter(_create(incoming), incoming, target)
        try:
            yield writer
            await writer.finish()
        except BaseException:
            await asyncio.shield(writer.abort())
            raise

    async def begin(self, key: str) -> str:
        checked(key)
        name = uuid4().hex
        with told():
            _create(self._directory / INCOMING / name).close()
        return name

    @asynccontextmanager
    async def parts(
        self, key: str, name: str, written: Sequence[Part]
    ) -> AsyncIterator[FilePartWriter]:
        target = self._directory / checked(key)
        writer = await self._opened(self._directory / INCOMING / checked(name), target, written)
        try:
            yield writer
        finally:
            await asyncio.shield(writer.close())

    async def _opened(
        self, incoming: Path, target: Path, written: Sequence[Part]
    ) -> FilePartWriter:
        try:
            return await to_the_end(in_thread(opened, incoming, target, written))
        except ObjectNotFound as error:
            raise PartsLost from error

    async def abandon(self, key: str, name: str) -> None:
        checked(key)
        await in_thread((self._directory / INCOMING / checked(name)).unlink, missing_ok=True)

    async def read(self, key: str, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        with told():
            file = _open(self._directory / checked(key))
        with file:
            while chunk := await in_thread(file.read, chunk_bytes):
                yield chunk

    async def size(self, key: str) -> int:
        status = await in_thread((self._directory / checked(key)).stat)
        return status.st_size

    async def list(self, folder: str) -> AsyncIterator[str]:
        with suppress(ObjectNotFound):
            for name in sorted(await in_thread(os.listdir, self._directory / checked(folder))):
                yield name

    async def delete(self, key: str) -> None:
        await in_thread((self._directory / checked(key)).unlink, missing_ok=True)

    async def delete_folder(self, folder: str) -> int:
        return await to_the_end(in_thread(_delete_folder, self._directory / checked(folder)))

    async def folder_size(self, folder: str) -> int:
        return await in_thread(_folder_size, self._directory / checked(folder))

    async def link(self, key: str, filename: str, expires: timedelta) -> str:
        return f"{self._base_url}/api/files/{sign_link(Grant(key, filename), expires, self._key)}"


class FileWriter:
    """Gathers small writes, so that each costs no thread switch."""

    def __init__(self, file: BinaryIO, incoming: Path, target: Path) -> None:
        self._file = file
        self._incoming = incoming
        self._target = target
        self._buffer = bytearray()

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def finish(self) -> None:
        await self._flush()
        await to_the_end(in_thread(_publish, self._file, self._incoming, self._target))

    async def abort(self) -> None:
        await in_thread(_discard, self._file, self._incoming, self._target)

    async def _flush(self) -> None:
        full, self._buffer = self._buffer, bytearray()
        await to_the_end(in_thread(self._file.write, full))


# Files are opened on the event loop: it takes no time worth a thread, and a cancellation on the
# way to one would lose the open file.


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def _publish(file: BinaryIO, incoming: Path, target: Path) -> None:
    """Make the file durable, then visible, then its name durable."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    publish(incoming, target)


def _discard(file: BinaryIO, incoming: Path, target: Path) -> None:
    with suppress(OSError):  # a full disk fails again when the rest is flushed
        file.close()
    if incoming.exists():
        incoming.unlink()
    else:  # it was published in the moment of the cancellation
        target.unlink(missing_ok=True)


def _delete_folder(folder: Path) -> int:
    """Delete what is in a folder, and the folders in it that are empty then. A writer may make one
    anew meanwhile, and what it writes there.
    """
    deleted = 0
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            (Path(parent) / name).unlink(missing_ok=True)
            deleted += 1
        with suppress(OSError):  # somebody has written there again
            Path(parent).rmdir()
    return deleted


def _folder_size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it was deleted meanwhile
                total += (Path(parent) / name).stat().st_size
    return total


def _sweep(incoming: Path) -> None:
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - STALE_SECONDS:
                path.unlink()
