"""The bytes of an uploaded file as they were before gzip, in blocks of bounded size."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from tenon_reports.uploads.models import UnusableFile

BLOCK_BYTES = 1024 * 1024
# zlib copies what follows a member: of so little, since members may be as short as 20 bytes.
PIECE_BYTES = 16 * 1024
MAX_MEMBERS = 10_000
GZIP_WINDOW = 16 + zlib.MAX_WBITS

NOT_GZIP = "The file is not gzip, or it is damaged."
FREE_BYTES = 64 * 1024 * 1024
MAX_EXPANSION = 200
"""A gzip file may hold FREE_BYTES, and beyond that so many times its own size: CSV files of real
events expand 5 to 30 times, a file made to fill a disk 1,000 times."""

TOO_DENSE = (
    f"The gzip file holds over {MAX_EXPANSION} times its own size. Upload it without compression."
)
CUT_OFF = "The gzip file is cut off before its end."
TOO_MANY_MEMBERS = f"The gzip file has more than {MAX_MEMBERS:,} members."


async def decompressed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a gzip file of one or more members holds; UnusableFile.

    However much a few bytes expand to, no block is larger than BLOCK_BYTES.
    """
    expansion = _Expansion()
    async for chunk in chunks:
        expansion.push(chunk)
        while block := await asyncio.to_thread(expansion.read):
            yield block
    expansion.require_end()


class _Expansion:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(GZIP_WINDOW)
        self._members = 1
        self._data = memoryview(b"")
        self._full = False  # zlib holds more than there was room for
        self._begun = False
        self._room = FREE_BYTES

    def push(self, chunk: bytes) -> None:
        """Go on with these bytes; the last ones must have been read."""
        self._data = memoryview(chunk)
        self._begun |= bool(chunk)
        self._room += MAX_EXPANSION * len(chunk)

    def read(self) -> bytes:
        """Return the next bytes, up to BLOCK_BYTES; none if what was pushed is used up."""
        block = bytearray()
        while len(block) < BLOCK_BYTES and (self._data or self._full):
            if self._member.eof:
                self._begin_member()
            else:
                block += self._expanded(BLOCK_BYTES - len(block))
        return bytes(block)

    def require_end(self) -> None:
        if not self._member.eof:
            raise UnusableFile(CUT_OFF if self._begun else NOT_GZIP)

    def _begin_member(self) -> None:
        """Begin another member, behind the zeros that some programs fill up with."""
        piece = bytes(self._data[:PIECE_BYTES])
        rest = piece.lstrip(b"\0")
        self._data = self._data[len(piece) - len(rest) :]
        if not rest:
            return
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise UnusableFile(TOO_MANY_MEMBERS)
        self._member = zlib.decompressobj(GZIP_WINDOW)

    def _expanded(self, room: int) -> bytes:
        piece, member = self._data[:PIECE_BYTES], self._member
        try:
            found = member.decompress(piece, room)
        except zlib.error as error:
            raise UnusableFile(NOT_GZIP) from error
        left = member.unused_data if member.eof else member.unconsumed_tail
        self._data = self._data[len(piece) - len(left) :]
        self._full = len(found) == room and not member.eof
        self._room -= len(found)
        if self._room < 0:
            raise UnusableFile(TOO_DENSE)
        return found
