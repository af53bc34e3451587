"""Gzip files as nobody makes them by accident."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest

from tenon_reports.uploads.decompression import BLOCK_BYTES, TOO_MANY_MEMBERS, decompressed
from tenon_reports.uploads.models import UnusableFile
from tenon_reports.uploads.records import RecordReader, Records

MEMORY = 100 * 1024 * 1024


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def blocks(data: bytes, size: int = BLOCK_BYTES) -> list[bytes]:
    return [block async for block in decompressed(chunks(data, size))]


@pytest.mark.parametrize("size", [1, 7, 16 * 1024, BLOCK_BYTES])
async def test_members_are_one_file(size: int) -> None:
    data = b"".join(gzip.compress(b"%d," % n) + b"\0" * (n % 3) for n in range(300))
    assert b"".join(await blocks(data, size)) == b"".join(b"%d," % n for n in range(300))


async def test_a_bomb_comes_in_small_blocks() -> None:
    found = await blocks(gzip.compress(b"x" * (5 * BLOCK_BYTES + 1)))
    assert list(map(len, found)) == [BLOCK_BYTES] * 5 + [1]


async def test_members_end_in_time() -> None:
    assert await blocks(gzip.compress(b"") * 10_000) == []
    with pytest.raises(UnusableFile, match=TOO_MANY_MEMBERS):
        await asyncio.wait_for(blocks(gzip.compress(b"") * 1_000_000), 5)


async def test_few_wide_records_take_little_memory() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"time,size\n")
    packed += b"".join(packer.compress(b"x" + b"," * 1_000_000 + b"\n") for _ in range(30))
    packed += packer.flush()
    reader, found = RecordReader(), Records()
    tracemalloc.start()
    async for block in decompressed(chunks(packed, BLOCK_BYTES)):
        found.extend(reader.push(block))
    found.extend(reader.end())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.refused) == 30
    assert peak < MEMORY
