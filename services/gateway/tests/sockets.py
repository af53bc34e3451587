"""Clients on bare sockets, for what an HTTP library would never send."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from services.gateway.tests.browsing import PROBLEM

KIB = 1024
REPLY_SECONDS = 5.0


async def send_raw(
    port: int, pieces: Iterable[bytes], *, pause: float = 0.0, seconds: float = REPLY_SECONDS
) -> bytes:
    """Send pieces until the gateway closes the connection, and return all that it sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    receiving = asyncio.ensure_future(_receive(reader, received))
    try:
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                for piece in pieces:
                    if receiving.done():
                        break
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.wait([receiving], timeout=pause)
            await receiving
    finally:
        writer.close()
    return bytes(received)


async def _receive(reader: asyncio.StreamReader, received: bytearray) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(KIB):
            received += piece


def problem_in(reply: bytes) -> dict[str, Any]:
    """Return the problem document that a raw reply is."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert f"content-type: {PROBLEM}".encode() in head.lower()
    document: dict[str, Any] = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {document['status']} ".encode())
    return document
