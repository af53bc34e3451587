"""Objects that are written in parts: what was sealed outlives whoever wrote it."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from tenon_storage.errors import ObjectNotFound, PartsLost
from tenon_storage.file_storage import INCOMING, FileStorage
from tenon_storage.storage import Part, PartWriter, Storage, part_bytes

SMALLEST = 5 * 1024 * 1024
"""Of a part of S3 that is not the last."""
A, B, C = (letter * SMALLEST for letter in (b"a", b"b", b"c"))


def new_key() -> str:
    return f"orgs/{uuid4()}/runs/{uuid4()}/file.csv"


async def content(storage: Storage, key: str) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key)])


async def sealed(writer: PartWriter, *contents: bytes) -> list[Part]:
    parts = []
    for one in contents:
        await writer.write(one)
        parts.append(await writer.seal())
    return parts


async def interrupted(storage: Storage, key: str, name: str, *contents: bytes) -> list[Part]:
    """Write parts and the beginning of another, and stop as a killed worker does."""
    async with storage.parts(key, name, []) as writer:
        parts = await sealed(writer, *contents)
        await writer.write(b"lost" * 1_000_000)
    return parts


async def resumed(
    storage: Storage, key: str, name: str, parts: Sequence[Part], *contents: bytes
) -> None:
    async with storage.parts(key, name, parts) as writer:
        await writer.complete([*parts, *await sealed(writer, *contents)])


async def test_all_parts_are_the_object(storage: Storage) -> None:
    key = new_key()
    await resumed(storage, key, await storage.begin(key), [], A, B, b"end")
    assert await content(storage, key) == A + B + b"end"


async def test_another_writer_goes_on_after_the_last_part(storage: Storage) -> None:
    key = new_key()
    name = await storage.begin(key)
    parts = await interrupted(storage, key, name, A, B)
    await resumed(storage, key, name, parts, C, b"end")
    assert await content(storage, key) == A + B + C + b"end"


async def test_a_part_that_was_not_noted_is_written_again(storage: Storage) -> None:
    key = new_key()
    name = await storage.begin(key)
    parts = await interrupted(storage, key, name, A, B)
    await resumed(storage, key, name, parts[:1], C, b"end")
    assert await content(storage, key) == A + C + b"end"


async def test_writing_goes_on_while_a_part_is_stored(storage: Storage) -> None:
    key = new_key()
    async with storage.parts(key, await storage.begin(key), []) as writer:
        await writer.write(A)
        first = asyncio.ensure_future(writer.seal())
        await writer.write(B)
        parts = [await first, await writer.seal()]
        await writer.complete(parts)
    assert await content(storage, key) == A + B


@pytest.mark.parametrize("change", [{"size": 1}, {"etag": "another"}])
async def test_parts_that_are_not_as_they_were_are_refused(
    storage: Storage, change: dict[str, int | str]
) -> None:
    key = new_key()
    name = await storage.begin(key)
    (part,) = await interrupted(storage, key, name, A)
    other = Part(**{"size": part.size, "etag": part.etag} | change)  # type: ignore[arg-type]
    with pytest.raises(PartsLost):
        await resumed(storage, key, name, [other])
    await storage.abandon(key, name)


async def test_what_is_abandoned_is_gone(storage: Storage) -> None:
    key = new_key()
    name = await storage.begin(key)
    parts = await interrupted(storage, key, name, A)
    await storage.abandon(key, name)
    await storage.abandon(key, name)
    with pytest.raises(PartsLost):
        await resumed(storage, key, name, parts)
    with pytest.raises(ObjectNotFound):
        await storage.size(key)


async def test_a_file_that_somebody_still_writes_is_refused(file_storage: FileStorage) -> None:
    key = new_key()
    name = await file_storage.begin(key)
    async with file_storage.parts(key, name, []):
        with pytest.raises(PartsLost):
            await resumed(file_storage, key, name, [])


async def test_a_file_that_was_damaged_is_refused(file_storage: FileStorage) -> None:
    key = new_key()
    name = await file_storage.begin(key)
    parts = await interrupted(file_storage, key, name, A)
    with (file_storage._directory / INCOMING / name).open("r+b") as file:
        file.write(b"x")
    with pytest.raises(PartsLost):
        await resumed(file_storage, key, name, parts)


def test_ten_thousand_parts_are_enough_for_any_file() -> None:
    assert part_bytes(1) == 16 * 1024 * 1024
    assert sum(part_bytes(number) for number in range(1, 10_001)) > 600 * 10**9
