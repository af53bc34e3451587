"""Request bodies, bounded by bytes and by time while they arrive."""

import asyncio
from collections.abc import AsyncIterator

from tenon_gateway.errors import (
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    MalformedRequest,
    unsupported_media_type,
)
from tenon_gateway.pipeline.exchange import Exchange

JSON_TYPE = "application/json"
JSON_PIECE_BYTES = 64 * 1024


async def read_json(exchange: Exchange, *, max_bytes: int, seconds: float) -> bytes:
    """Return the whole body, which may be empty; BodyTooLarge, GatewayBusy, ClientGone, Refusal.

    `seconds` bounds the wait for each 64 KiB of it.
    """
    declared = declared_bytes(exchange)
    if declared > max_bytes:
        raise BodyTooLarge
    exchange.hold_request(declared)
    body = bytearray()
    async for piece in stream_body(exchange, piece_bytes=JSON_PIECE_BYTES, seconds=seconds):
        body += piece
        if len(body) > max_bytes:
            raise BodyTooLarge
        exchange.hold_request(len(body))
    if body and (content_type(exchange) != JSON_TYPE or exchange.header(b"content-encoding")):
        raise unsupported_media_type(JSON_TYPE)
    return bytes(body)


async def stream_body(
    exchange: Exchange, *, piece_bytes: int, seconds: float
) -> AsyncIterator[bytes]:
    """Yield the body in pieces of at least `piece_bytes`, but for the last; each must be there
    within `seconds`. ClientGone, Refusal.
    """
    more = True
    while more:
        try:
            async with asyncio.timeout(seconds):
                piece, more = await _gather(exchange, piece_bytes)
        except TimeoutError:
            # There is nothing left to read, so the connection can be closed at once.
            raise BodyTimeout(headers={"connection": "close"}) from None
        if piece:
            yield piece


async def _gather(exchange: Exchange, enough: int) -> tuple[bytes, bool]:
    gathered = bytearray()
    more = True
    while more and len(gathered) < enough:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        gathered += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(gathered), more


def declared_bytes(exchange: Exchange) -> int:
    """Return the length that the client announced; 0 if it did not."""
    text = exchange.header(b"content-length")
    if text and not text.isdecimal():
        raise MalformedRequest("Content-Length is no number.")
    return int(text or 0)


def content_type(exchange: Exchange) -> str:
    """Return the media type without its parameters, in lower case."""
    return exchange.header(b"content-type").partition(";")[0].strip().lower()
