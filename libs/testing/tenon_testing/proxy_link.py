"""One connection through a proxy, and what is wrong with it."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

PIECE_BYTES = 64 * 1024
WINDOW = 64
"""Pieces on their way at once in one direction, however long they are delayed."""
RESETTING = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST

End: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Pieces: TypeAlias = asyncio.Queue[tuple[float, bytes]]


@dataclass
class Faults:
    """What is wrong with a proxy's connections; read by all of them."""

    delay: float = 0.0
    cut_after: int | None = None
    swallows: bool = False
    resets: bool = False

    def heal(self) -> None:
        self.delay, self.cut_after, self.swallows, self.resets = 0.0, None, False, False


@dataclass
class Traffic:
    """What went through a proxy: connections accepted, bytes towards the target, and back."""

    connections: int = 0
    sent: int = 0
    received: int = 0


class Link:
    """A connection from a client, and the one to the target behind it."""

    def __init__(
        self, client: socket.socket, target: int, faults: Faults, traffic: Traffic
    ) -> None:
        self._client = client
        self._ends: list[End] = []
        self._target = target
        self._faults = faults
        self._traffic = traffic
        self._swallows = faults.swallows
        self._received = 0

    async def run(self) -> None:
        """Pass on until both ends are done, or one is gone: then the other learns it by RST."""
        try:
            self._ends.append(await asyncio.open_connection(sock=self._client))
            if self._faults.resets:
                raise ConnectionResetError
            await (self._swallow_all() if self._swallows else self._pass_on())
        except* OSError:
            self.reset()
        finally:
            for _, writer in self._ends:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    def close(self) -> None:
        """Close what a link that was ended before it began has left open."""
        self._client.close()

    def swallow(self) -> None:
        self._swallows = True

    def count_anew(self) -> None:
        self._received = 0

    def reset(self) -> None:
        for _, writer in self._ends:
            connection: socket.socket | None = writer.get_extra_info("socket")
            if connection is not None:
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
            writer.transport.abort()

    async def _swallow_all(self) -> None:
        reader, _ = self._ends[0]
        while await reader.read(PIECE_BYTES):
            pass

    async def _pass_on(self) -> None:
        from_client, to_client = self._ends[0]
        from_target, to_target = await asyncio.open_connection("127.0.0.1", self._target)
        self._ends.append((from_target, to_target))
        sent, received = Pieces(WINDOW), Pieces(WINDOW)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect(from_client, sent))
            group.create_task(self._collect(from_target, received))
            group.create_task(self._send(sent, to_target))
            group.create_task(self._receive(received, to_client))

    async def _collect(self, reader: asyncio.StreamReader, pieces: Pieces) -> None:
        """Take in what comes, each piece with the time when it is due; an empty one ends it."""
        piece = b"-"
        while piece:
            piece = await reader.read(PIECE_BYTES)
            await pieces.put((_now() + self._faults.delay, piece))

    async def _send(self, pieces: Pieces, to_target: asyncio.StreamWriter) -> None:
        while piece := await self._next(pieces):
            self._traffic.sent += len(piece)
            to_target.write(piece)
            await to_target.drain()
        to_target.write_eof()

    async def _receive(self, pieces: Pieces, to_client: asyncio.StreamWriter) -> None:
        while piece := await self._next(pieces):
            self._traffic.received += len(piece)
            self._received += len(piece)
            limit = self._faults.cut_after
            if limit is not None and self._received > limit:
                raise ConnectionResetError
            to_client.write(piece)
            await to_client.drain()
        to_client.write_eof()

    async def _next(self, pieces: Pieces) -> bytes:
        """Return the next piece that is not swallowed, when it is due."""
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - _now()))
            if not self._swallows:
                return piece


def _now() -> float:
    return asyncio.get_running_loop().time()
