"""An open loop of HTTP requests: so many a second whatever becomes of those before, in a process of
its own. A latency counts from when the request was due, so a client that comes late hides nothing.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import uvloop

from tenon_bench.figures import percentile
from tenon_bench.wire import Connection, requests, status_of

RETRY_AFTER = b"\r\nretry-after:"
LAST_SECONDS = 15.0
"""How long replies are waited for once all is sent."""


@dataclass(frozen=True)
class Offer:
    """What to send, `rate` times a second; `warmup`, `seconds` and `bodies` are those of a Load."""

    url: str
    headers: dict[str, str]
    rate: float
    seconds: float
    bodies: Sequence[str] = ()
    warmup: float = 1.0


@dataclass(frozen=True)
class Answers:
    """The replies of one HTTP status; latencies in milliseconds."""

    count: int
    p50: float
    p99: float
    with_retry_after: int


class _Client(Connection):
    """Is given a request when it has none, and says when its reply is there."""

    def __init__(self, idle: Callable[["_Client", bytes], None]) -> None:
        super().__init__()
        self._idle = idle
        self.due_at = 0.0

    def send(self, request: bytes, due_at: float) -> None:
        self.due_at = due_at
        self.transport.write(request)

    def replied(self, head: bytes) -> None:
        self._idle(self, head)


class _Offering:
    def __init__(self, offer: Offer) -> None:
        address = urlsplit(offer.url)
        assert address.hostname
        assert address.port
        self._host, self._port = address.hostname, address.port
        self._offer = offer
        self._free: list[_Client] = []
        self._all: list[_Client] = []
        self._counts_from = 0.0
        self._waited_for = 0
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._retry_after: dict[str, int] = defaultdict(int)

    async def run(self) -> dict[str, Answers]:
        """Send all that is due, and return what came of it by status."""
        offer = self._offer
        prepared = requests(offer.url, offer.headers, offer.bodies)
        started = time.perf_counter()
        self._counts_from = started + offer.warmup
        for number in range(round(offer.rate * (offer.warmup + offer.seconds))):
            due_at = started + number / offer.rate
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            await self._send(prepared, due_at)
        await self._last_replies()
        return {status: self._answers(status) for status in sorted(self._latencies)}

    async def _send(self, prepared: Iterator[bytes], due_at: float) -> None:
        client = self._free.pop() if self._free else await self._connect()
        self._waited_for += 1
        client.send(next(prepared), due_at)

    async def _connect(self) -> _Client:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            lambda: _Client(self._answered), self._host, self._port
        )
        self._all.append(client)
        return client

    def _answered(self, client: _Client, head: bytes) -> None:
        self._waited_for -= 1
        self._free.append(client)
        if client.due_at < self._counts_from:
            return
        status = status_of(head)
        self._latencies[status].append(time.perf_counter() - client.due_at)
        self._retry_after[status] += RETRY_AFTER in head.lower()

    async def _last_replies(self) -> None:
        until = time.perf_counter() + LAST_SECONDS
        while self._waited_for and time.perf_counter() < until:
            await asyncio.sleep(0.01)
        if self._waited_for:  # as long as a client would have waited
            self._latencies["none"] += [LAST_SECONDS] * self._waited_for
        for client in self._all:
            client.transport.close()

    def _answers(self, status: str) -> Answers:
        latencies = self._latencies[status]
        p50, p99 = (percentile(latencies, rank) * 1000 for rank in (0.5, 0.99))
        return Answers(len(latencies), p50, p99, self._retry_after[status])


async def offered(offer: Offer) -> dict[str, Answers]:
    """Send an offer from a child process; return what came of it by HTTP status, and as `none` what
    was never answered.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tenon_bench.offer",
        json.dumps(asdict(offer)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return {status: Answers(**answers) for status, answers in json.loads(output).items()}


if __name__ == "__main__":
    found = uvloop.run(_Offering(Offer(**json.loads(sys.argv[1]))).run())
    print(json.dumps({status: asdict(answers) for status, answers in found.items()}))
