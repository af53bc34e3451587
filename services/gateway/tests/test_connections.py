"""Clients that are slow, greedy, or speak no HTTP; on bare sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.gateway.tests.browsing import Gateway, Serve
from services.gateway.tests.sockets import KIB, REPLY_SECONDS, problem_in, send_raw
from tenon_gateway import connections

HEAD_SECONDS = 0.3


@pytest.fixture
async def impatient(serve: Serve) -> AsyncIterator[Gateway]:
    """A gateway that waits only shortly for a request's head."""
    async with serve(header_seconds=HEAD_SECONDS, body_seconds=HEAD_SECONDS) as gateway:
        yield gateway


async def test_a_silent_connection_is_closed(impatient: Gateway) -> None:
    assert await send_raw(impatient.port, []) == b""


async def test_a_head_that_does_not_end_is_closed(impatient: Gateway) -> None:
    assert await send_raw(impatient.port, [b"GET /healthz HTTP/1.1\r\nHost: x\r\n"]) == b""


async def test_a_head_that_drips_is_closed(impatient: Gateway) -> None:
    drops = [b"GET /healthz HTTP/1.1\r\n", *(b"x-%d: 1\r\n" % n for n in range(40))]
    assert await send_raw(impatient.port, drops, pause=0.05) == b""


async def test_line_breaks_do_not_keep_a_connection_open(impatient: Gateway) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    reply = await send_raw(impatient.port, [request, *[b"\r\n"] * 40], pause=0.05)
    assert reply.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_is_used_again(impatient: Gateway) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    reply = await send_raw(impatient.port, [request, request, last], pause=HEAD_SECONDS / 2)
    assert reply.count(b"HTTP/1.1 200 ") == 3


async def test_requests_may_be_pipelined(impatient: Gateway) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    reply = await send_raw(impatient.port, [request * 50 + last])
    assert reply.count(b"HTTP/1.1 200 ") == 51


@pytest.mark.parametrize(
    "head",
    [
        b"x-long: " + b"x" * 64 * KIB,
        b"".join(b"x-%d: 1\r\n" % n for n in range(8_000)),
        b"x-" + b"y" * 64 * KIB + b": 1",
    ],
    ids=["a long value", "many headers", "a long name"],
)
async def test_a_large_head_is_refused(gateway: Gateway, head: bytes) -> None:
    for end in (b"\r\n\r\n", b""):
        reply = await send_raw(gateway.port, [b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + head + end])
        assert problem_in(reply)["code"] == "headers_too_large"


async def test_a_long_path_is_refused(gateway: Gateway) -> None:
    reply = await send_raw(
        gateway.port, [b"GET /" + b"x" * 64 * KIB + b" HTTP/1.1\r\nHost: x\r\n\r\n"]
    )
    assert problem_in(reply)["code"] == "headers_too_large"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /api/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /api/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nx: a\x00b\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so(gateway: Gateway, garbage: bytes) -> None:
    assert problem_in(await send_raw(gateway.port, [garbage]))["code"] == "malformed_request"


async def test_a_websocket_is_answered_as_plain_http(gateway: Gateway) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /api/live HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 404 ")
    writer.close()


async def test_the_reply_to_a_refused_body_is_read_while_the_body_still_comes(
    gateway: Gateway,
) -> None:
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n\r\n" % (64 * KIB * KIB)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head + length)
    async with asyncio.timeout(REPLY_SECONDS):
        for _ in range(64):
            writer.write(b" " * 64 * KIB)
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_the_rest_of_a_refused_body_is_not_awaited_for_ever(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.3)
    head = b"POST /api/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    reply = await send_raw(gateway.port, [head, *[b"x"] * 500], pause=0.05)
    assert problem_in(reply)["code"] == "unauthenticated"
