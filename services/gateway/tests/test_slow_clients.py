"""F1: idle sockets, slow heads and slow bodies are closed, take little memory, and slow nobody."""

import asyncio
import math
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import repeat

import pytest

from services.gateway.tests.sockets import KIB, send_raw
from services.gateway.tests.test_hostile_bodies import forget_peak, peak_kib
from tenon_testing.service_process import ServiceProcess
from tenon_testing.system import System

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are in /proc")

CLOSED_SECONDS = 15.0
MEMORY_KIB = 200 * KIB
SLOWER = 2.0
LEAST_SECONDS = 0.01
"""A p99 below this is never too slow: twice of next to nothing is still nothing."""
TRIES = 3
"""Of which one must be in time: others use the machine as well."""
REQUESTS = 300
DRIP_SECONDS = 3.0
QUICK = 5.0
"""The short form waits this many times less long."""
DESCRIPTORS = 12_000
BODY = (
    b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n"
)


def slow_head() -> Iterator[bytes]:
    yield b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    yield from repeat(b"x: y\r\n")


def slow_body() -> Iterator[bytes]:
    yield BODY
    yield from repeat(b" ")


KINDS: dict[str, Callable[[], Iterable[bytes]]] = {
    "idle": tuple,
    "slow head": slow_head,
    "slow body": slow_body,
}


@contextmanager
def gateway(system: System, **settings: str) -> Iterator[ServiceProcess]:
    """Run a gateway in a process of its own, that may open enough sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, DESCRIPTORS), hard), hard))
    process = system.replica("gateway", **settings)
    try:
        yield process
    finally:
        process.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def p99(port: int) -> float:
    """Return the 99th percentile of the seconds that a healthy client waits for a reply."""
    waits = []
    connection = HTTPConnection("127.0.0.1", port, timeout=CLOSED_SECONDS)
    for _ in range(REQUESTS):
        sent_at = time.perf_counter()
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        waits.append(time.perf_counter() - sent_at)
    connection.close()
    return sorted(waits)[math.ceil(0.99 * REQUESTS) - 1]


async def open_seconds(port: int, pieces: Iterable[bytes], drip: float) -> float:
    """Return how long the gateway keeps a slow connection open."""
    begun_at = time.monotonic()
    await send_raw(port, pieces, pause=drip, seconds=4 * CLOSED_SECONDS)
    return time.monotonic() - begun_at


async def check(process: ServiceProcess, kind: str, count: int, *, quick: float) -> str:
    """Keep slow connections open while a healthy client asks; return the figures."""
    port = process.listen_port
    forget_peak(process.pid)
    memory = peak_kib(process.pid)
    calm = min([await asyncio.to_thread(p99, port) for _ in range(TRIES)])
    slow = asyncio.gather(
        *(open_seconds(port, KINDS[kind](), DRIP_SECONDS / quick) for _ in range(count))
    )
    await asyncio.sleep(0)  # so that they begin
    attacked = min([await asyncio.to_thread(p99, port) for _ in range(TRIES)])
    longest = max(await slow)
    grown = (peak_kib(process.pid) - memory) // KIB
    assert longest <= CLOSED_SECONDS
    assert grown * KIB <= MEMORY_KIB
    assert attacked <= max(SLOWER * calm, LEAST_SECONDS)
    return (
        f"{count} {kind}: closed within {longest:.1f} s, +{grown} MiB, "
        f"p99 {calm * 1000:.1f} ms before and {attacked * 1000:.1f} ms meanwhile"
    )


@pytest.mark.usefixtures("callers")  # auth and tenancy run by then
async def test_slow_clients_are_closed_and_slow_nobody(system: System) -> None:
    """All kinds at the same time."""
    impatient = {"header_seconds": str(10 / QUICK), "body_seconds": str(10 / QUICK)}
    with gateway(system, **impatient) as process:
        await asyncio.gather(*(check(process, kind, 100, quick=QUICK) for kind in KINDS))


@pytest.mark.long
@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize("kind", KINDS)
async def test_five_thousand_slow_clients(system: System, kind: str) -> None:
    with gateway(system) as process:
        print(await check(process, kind, 5_000, quick=1.0))  # noqa: T201 # the figures
