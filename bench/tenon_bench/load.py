"""A closed loop of HTTP requests over kept-alive connections, in a process of its own.

The client is as thin as it can be (a protocol that counts bytes), so that on two cores it is not
what is measured: it sends the same prepared request again as soon as the reply is whole.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast
from urllib.parse import urlsplit

import uvloop

HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length:"
NUMBER = "00000000"


@dataclass(frozen=True)
class Load:
    """What to send: `seconds` are measured, after `warmup` seconds that are not.

    A `body` (JSON) is posted; NUMBER in it is another number each time.
    """

    url: str
    headers: dict[str, str]
    connections: int
    seconds: float
    warmup: float = 1.0
    body: str = ""


@dataclass(frozen=True)
class Outcome:
    """`rate` in requests a second; latencies in milliseconds; `statuses` counts by HTTP status."""

    rate: float
    p50: float
    p99: float
    statuses: dict[str, int]

    @property
    def failures(self) -> int:
        """Count the replies that are not a success."""
        return sum(count for status, count in self.statuses.items() if not status.startswith("2"))


class _Measurement:
    def __init__(self) -> None:
        self.counting = False
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], measurement: _Measurement) -> None:
        self._requests = requests
        self._measurement = measurement
        self._received = bytearray()
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(HEAD_END)
        if head_end < 0:
            return
        head = bytes(self._received[:head_end])
        if len(self._received) < head_end + len(HEAD_END) + _content_length(head):
            return
        self._count(head)
        self._received.clear()
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _count(self, head: bytes) -> None:
        if self._measurement.counting:
            self._measurement.latencies.append(time.perf_counter() - self._sent_at)
            self._measurement.statuses[head[9:12].decode()] += 1


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.find(CONTENT_LENGTH)
    if start < 0:
        return 0
    return int(lowered[start + len(CONTENT_LENGTH) :].split(b"\r\n", 1)[0])


async def measure(load: Load) -> Outcome:
    """Run a load in a child process and return what it saw."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tenon_bench.load",
        json.dumps(asdict(load)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return Outcome(**json.loads(output))


async def _run(load: Load) -> Outcome:
    address = urlsplit(load.url)
    requests = _requests(load)
    measurement = _Measurement()
    loop = asyncio.get_running_loop()
    assert address.hostname
    assert address.port
    host, port = address.hostname, address.port
    clients = [
        await loop.create_connection(lambda: _Client(requests, measurement), host, port)
        for _ in range(load.connections)
    ]
    await asyncio.sleep(load.warmup)
    measurement.counting = True
    started = time.perf_counter()
    await asyncio.sleep(load.seconds)
    measurement.counting = False
    elapsed = time.perf_counter() - started
    for transport, _ in clients:
        transport.close()
    return _outcome(measurement, elapsed)


def _requests(load: Load) -> Iterator[bytes]:
    """Yield what to send, without end."""
    request = _request(load)
    number = NUMBER.encode()
    if number not in request:
        return itertools.repeat(request)
    head, _, tail = request.partition(number)
    return (head + b"%08d" % count + tail for count in itertools.count())


def _request(load: Load) -> bytes:
    address = urlsplit(load.url)
    target = address.path + (f"?{address.query}" if address.query else "")
    headers = {"Host": address.netloc, **load.headers}
    if load.body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(load.body))}
    method = "POST" if load.body else "GET"
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "", ""]) + load.body).encode()


def _outcome(measurement: _Measurement, elapsed: float) -> Outcome:
    latencies = sorted(measurement.latencies) or [float("nan")]
    return Outcome(
        rate=len(measurement.latencies) / elapsed,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[int(len(latencies) * 0.99)] * 1000,
        statuses=dict(measurement.statuses),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_run(Load(**json.loads(sys.argv[1])))))))
