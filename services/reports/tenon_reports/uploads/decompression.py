"""The bytes of an uploaded file as they were before gzip, in blocks of bounded size."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from tenon_reports.uploads.models import UnusableFile

BLOCK_BYTES = 1024 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS

NOT_GZIP = "The file is not gzip, or it is damaged."
CUT_OFF = "The gzip file is cut off before its end."


async def decompressed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a gzip file of one or more members holds; UnusableFile.

    However much a few bytes expand to, no block is larger than BLOCK_BYTES.
    """
    member = zlib.decompressobj(GZIP_WINDOW)
    begun = False
    async for chunk in chunks:
        data, begun = chunk, True
        full = False
        while data or full:
            if member.eof:  # another member, or the zeros that some programs fill up with
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = zlib.decompressobj(GZIP_WINDOW)
            block = await asyncio.to_thread(_expanded, member, data)
            data = member.unused_data if member.eof else member.unconsumed_tail
            full = len(block) == BLOCK_BYTES and not member.eof
            if block:
                yield block
    if not member.eof:
        raise UnusableFile(CUT_OFF if begun else NOT_GZIP)


def _expanded(member: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return member.decompress(data, BLOCK_BYTES)
    except zlib.error as error:
        raise UnusableFile(NOT_GZIP) from error
