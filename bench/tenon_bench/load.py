"""A closed loop of HTTP requests over kept-alive connections, in a process of its own.

The client is as thin as it can be (a protocol that counts bytes), so that on two cores it is not
what is measured: it sends the same prepared request again as soon as the reply is whole.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import uvloop

from tenon_bench.wire import Connection, requests, status_of


@dataclass(frozen=True)
class Load:
    """What to send: `seconds` are measured, after `warmup` seconds that are not.

    Without `bodies` (JSON) it is a GET, else they are posted in turn; NUMBER in one is another
    number each time.
    """

    url: str
    headers: dict[str, str]
    connections: int
    seconds: float
    warmup: float = 1.0
    bodies: Sequence[str] = ()


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


class _Client(Connection):
    def __init__(self, requests: Iterator[bytes], measurement: _Measurement) -> None:
        super().__init__()
        self._requests = requests
        self._measurement = measurement
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send()

    def replied(self, head: bytes) -> None:
        if self._measurement.counting:
            self._measurement.latencies.append(time.perf_counter() - self._sent_at)
            self._measurement.statuses[status_of(head)] += 1
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self.transport.write(next(self._requests))


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
    prepared = requests(load.url, load.headers, load.bodies)
    measurement = _Measurement()
    loop = asyncio.get_running_loop()
    assert address.hostname
    assert address.port
    host, port = address.hostname, address.port
    clients = [
        await loop.create_connection(lambda: _Client(prepared, measurement), host, port)
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
