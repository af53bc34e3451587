"""What holds for every driver."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from tenon_storage.errors import ObjectNotFound
from tenon_storage.s3_storage import PART_BYTES
from tenon_storage.storage import Storage

MINUTE = timedelta(minutes=1)


def new_key() -> str:
    return f"orgs/{uuid4()}/runs/{uuid4()}/file.csv"


async def content(storage: Storage, key: str) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key)])


async def write(storage: Storage, key: str, *chunks: bytes) -> None:
    async with storage.write(key) as writer:
        for chunk in chunks:
            await writer.write(chunk)


@pytest.mark.parametrize(
    "chunks",
    [(), (b"one", b"two"), (b"x" * PART_BYTES, b"y" * (PART_BYTES // 2), b"z" * PART_BYTES)],
    ids=["empty", "small", "parts"],
)
async def test_what_was_written_is_read(storage: Storage, chunks: tuple[bytes, ...]) -> None:
    key = new_key()
    await write(storage, key, *chunks)
    assert await content(storage, key) == b"".join(chunks)
    assert await storage.size(key) == len(b"".join(chunks))


async def test_a_later_object_replaces_an_earlier_one(storage: Storage) -> None:
    key = new_key()
    await write(storage, key, b"earlier")
    await write(storage, key, b"later")
    assert await content(storage, key) == b"later"


async def test_a_folder_is_listed_in_order_and_without_what_is_deeper(storage: Storage) -> None:
    folder = f"orgs/{uuid4()}"
    for name in ("b.json", "c/deep", "c/deeper", "a.json"):
        await write(storage, f"{folder}/{name}", b"")
    assert [name async for name in storage.list(folder)] == ["a.json", "b.json", "c"]
    assert [name async for name in storage.list(f"{folder}/none")] == []


async def test_a_folder_is_deleted_with_all_that_is_below_it(storage: Storage) -> None:
    folder, beside = f"orgs/{uuid4()}", new_key()
    for name in ("a.json", "b/c/deep", "b/d"):
        await write(storage, f"{folder}/{name}", b"123")
    await write(storage, beside, b"other")
    begun = await storage.begin(f"{folder}/e")
    assert await storage.folder_size(folder) == 9
    assert await storage.delete_folder(folder) == 3
    assert await storage.delete_folder(folder) == 0
    assert await storage.folder_size(folder) == 0
    assert [name async for name in storage.list(folder)] == []
    assert await content(storage, beside) == b"other"
    await storage.abandon(f"{folder}/e", begun)


async def test_chunks_are_no_larger_than_asked_for(storage: Storage) -> None:
    key = new_key()
    await write(storage, key, b"0123456789")
    chunks = [chunk async for chunk in storage.read(key, chunk_bytes=4)]
    assert max(map(len, chunks)) <= 4


@pytest.mark.parametrize("size", [10, PART_BYTES + 1])
async def test_an_exception_leaves_nothing(storage: Storage, size: int) -> None:
    key = new_key()
    with pytest.raises(RuntimeError):  # noqa: PT012 # the block is what is tested
        async with storage.write(key) as writer:
            await writer.write(b"x" * size)
            raise RuntimeError
    with pytest.raises(ObjectNotFound):
        await storage.size(key)


@pytest.mark.parametrize("chunk", [b"x" * 10, b"x" * PART_BYTES])
async def test_a_cancellation_leaves_nothing(storage: Storage, chunk: bytes) -> None:
    key, begun = new_key(), asyncio.Event()

    async def write_forever() -> None:
        async with storage.write(key) as writer:
            while True:
                await writer.write(chunk)
                begun.set()
                await asyncio.sleep(0)

    task = asyncio.create_task(write_forever())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ObjectNotFound):
        await storage.size(key)


async def test_a_deleted_object_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    key = new_key()
    await write(storage, key, b"x")
    await storage.delete(key)
    await storage.delete(key)
    with pytest.raises(ObjectNotFound):
        await content(storage, key)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "a/../b", "a//b", ".incoming/x", "a/.b", "a/", "a\n", "ä", "a" * 600]
)
async def test_a_key_cannot_lead_elsewhere(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.size(key)
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.link(key, "f", MINUTE)
