"""What surrounds a request's body: chunk extensions, trailers, and the requests behind it."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import TypeAlias

import pytest

from services.gateway.tests.browsing import Client, Gateway, Serve, bearer, client_of
from services.gateway.tests.routers.test_auth import somebody
from services.gateway.tests.sockets import KIB, problem_in, send_raw
from tenon_gateway.connections import MAX_FRAMING_BYTES
from tenon_testing.callers import Callers
from tenon_testing.system import System

LAG_SECONDS = 0.1
TRIES = 3
"""Of which one must be in time: others use the machine as well."""
ATTACKED_SECONDS = 0.5
PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def chunked(path: str, body: bytes, *headers: str, trailers: str = "") -> bytes:
    """Return a POST whose body is one chunk, with fields before and after it."""
    lines = ["Host: x", "Content-Type: application/json", "Connection: close", *headers]
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines)
    start = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
    return start.encode() + body + f"\r\n0\r\n{trailers}\r\n".encode()


def log_in() -> bytes:
    """Return a log-in of nobody; of an address of its own, for guesses at one are counted."""
    return json.dumps({"email": somebody()["email"], "password": "x"}).encode()


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def beginning(path: str = "/api/auth/login") -> bytes:
    """Return all of a chunked request but its last chunk."""
    whole = chunked(path, b"{}")
    return whole[: -len(b"0\r\n\r\n")]


Flood: TypeAlias = tuple[bytes, Iterator[bytes]]
"""How an attack begins, and what it then sends without end."""
FLOODS: dict[str, Callable[[], Flood]] = {
    "a trailer of many fields": lambda: (beginning() + b"0\r\n", repeat(b"a: b\r\n" * 10_000)),
    "a trailer of one field": lambda: (beginning() + b"0\r\nx: ", repeat(b"a" * 64 * KIB)),
    "a trailer's name": lambda: (beginning() + b"0\r\n", repeat(b"a" * 64 * KIB)),
    "a chunk extension": lambda: (beginning() + b"1;", repeat(b"a" * 64 * KIB)),
    "many chunk extensions": lambda: (beginning(), repeat(b"1;" + b"a" * 100 + b"\r\nx\r\n")),
    "a head of many fields": lambda: (PROBE[:-2], repeat(b"a: b\r\n" * 10_000)),
    "line breaks before a request": lambda: (b"", repeat(b"\r\n" * 32 * KIB)),
}
PIPELINE: dict[str, Callable[[], Flood]] = {
    "pipelined requests": lambda: (b"", repeat(PROBE * 2_000)),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_framing_without_end_is_refused(gateway: Gateway, name: str) -> None:
    start, flood = FLOODS[name]()
    document = problem_in(await send_raw(gateway.port, (start, *[next(flood)] * 2_000)))
    assert document["status"] in (400, 431)
    assert document["code"] in ("malformed_request", "headers_too_large")


async def test_framing_within_the_bound_is_taken(gateway: Gateway) -> None:
    trailers = "x-checksum: " + "a" * (MAX_FRAMING_BYTES // 2) + "\r\n"
    reply = await send_raw(gateway.port, [chunked("/api/auth/login", log_in(), trailers=trailers)])
    assert problem_in(reply)["code"] == "invalid_credentials"


async def test_a_body_of_single_bytes_is_taken(gateway: Gateway) -> None:
    body = b" " * 20_000 + log_in()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    start = chunked("/api/auth/login", b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    reply = await send_raw(gateway.port, [start + chunks + b"0\r\n\r\n"])
    assert problem_in(reply)["code"] == "invalid_credentials"


async def test_a_trailer_does_not_authenticate(gateway: Gateway, callers: Callers) -> None:
    authorization = bearer(await callers.user())["authorization"]
    body = b'{"name": "Acme"}'
    line = f"Authorization: {authorization}"
    refused = await send_raw(gateway.port, [chunked("/api/orgs", body, trailers=f"{line}\r\n")])
    assert status(refused) == 401
    assert status(await send_raw(gateway.port, [chunked("/api/orgs", body, line)])) == 201


async def test_a_trailer_does_not_name_the_origin(gateway: Gateway, callers: Callers) -> None:
    cookie = gateway.cookies(await callers.user())["cookie"]
    lines = f"Cookie: {cookie}", f"Origin: http://127.0.0.1:{gateway.port}"
    body = b'{"name": "Acme"}'
    forged = chunked("/api/orgs", body, lines[0], trailers=f"{lines[1]}\r\n")
    assert problem_in(await send_raw(gateway.port, [forged]))["code"] == "csrf_refused"
    assert status(await send_raw(gateway.port, [chunked("/api/orgs", body, *lines)])) == 201


async def test_a_trailer_does_not_name_the_client(serve: Serve) -> None:
    forwarded = "X-Forwarded-For: 203.0.113.9"
    async with serve(trusted_proxies=("127.0.0.1",)) as gateway:
        body = json.dumps(somebody()).encode()
        in_trailer = chunked("/api/auth/signup", body, trailers=f"{forwarded}\r\n")
        assert b'"ip_address":"127.0.0.1"' in await send_raw(gateway.port, [in_trailer])
        in_head = chunked("/api/auth/signup", json.dumps(somebody()).encode(), forwarded)
        assert b'"ip_address":"203.0.113.9"' in await send_raw(gateway.port, [in_head])


@pytest.mark.parametrize("field", ["Host: evil.example", "Expect: 100-continue", "Cookie: a=b"])
async def test_a_trailer_changes_nothing(gateway: Gateway, field: str) -> None:
    plain = await send_raw(gateway.port, [chunked("/api/auth/login", log_in())])
    with_field = chunked("/api/auth/login", log_in(), trailers=f"{field}\r\n")
    reply = await send_raw(gateway.port, [with_field])
    assert problem_in(reply)["code"] == problem_in(plain)["code"] == "invalid_credentials"


async def test_a_trailer_does_not_name_the_length(gateway: Gateway) -> None:
    forged = chunked("/api/auth/login", log_in(), trailers="Content-Length: 999999999\r\n")
    assert problem_in(await send_raw(gateway.port, [forged]))["status"] in (400, 401)


async def test_thousands_of_requests_may_be_pipelined(gateway: Gateway) -> None:
    reply = await send_raw(gateway.port, [PROBE * 5_000 + LAST_PROBE], seconds=60)
    assert reply.count(b"HTTP/1.1 200 ") == 5_001


async def test_pipelined_bodies_arrive_whole(gateway: Gateway) -> None:
    """Even where reading is paused because of the requests that wait."""
    body = json.dumps({"name": "x" * 10_000}).encode()
    head = "POST /api/auth/password/forgot HTTP/1.1\r\nHost: x\r\n"
    head += "Content-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    reply = await send_raw(gateway.port, [request * 100 + LAST_PROBE], seconds=60)
    assert reply.count(b"HTTP/1.1 422 ") == 100
    assert reply.count(b"HTTP/1.1 200 ") == 1


async def test_a_fault_behind_a_request_does_not_answer_it(gateway: Gateway) -> None:
    """A refusal in front of the reply that is due would be taken for that reply."""
    reply = await send_raw(gateway.port, [PROBE + b"no HTTP\r\n\r\n"])
    assert reply == b"" or reply.startswith(b"HTTP/1.1 200 ")


@contextmanager
def attack(port: int, start: bytes, flood: Iterator[bytes]) -> Iterator[None]:
    """Send without end, again and again, from a thread of its own."""
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as attacker:
                attacker.settimeout(1.0)
                attacker.sendall(start)
                while not stop.is_set():
                    attacker.sendall(next(flood))

    thread = threading.Thread(target=send)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.parametrize("name", [*FLOODS, *PIPELINE])
async def test_framing_without_end_holds_nobody_up(
    system: System,
    callers: Callers,  # noqa: ARG001 # auth and tenancy run by then
    name: str,
) -> None:
    port = system.start("gateway").listen_port
    async with client_of(f"http://127.0.0.1:{port}") as client:
        worst = []
        for _ in range(TRIES):
            with attack(port, *(FLOODS | PIPELINE)[name]()):
                worst.append(await longest_wait(client, ATTACKED_SECONDS))
            if worst[-1] <= LAG_SECONDS:
                break
    assert min(worst) <= LAG_SECONDS


async def longest_wait(client: Client, seconds: float) -> float:
    """Return the longest time that a reply took, of requests sent one after the other."""
    longest, end = 0.0, time.monotonic() + seconds
    async with asyncio.timeout(seconds + 30):
        while time.monotonic() < end:
            sent_at = time.perf_counter()
            assert (await client.get("/healthz")).status == 200
            longest = max(longest, time.perf_counter() - sent_at)
    return longest
