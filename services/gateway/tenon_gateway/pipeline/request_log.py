"""What is told of each request: its figures, and a log line."""

import asyncio
import time
from collections.abc import Callable
from functools import cache

import orjson

from tenon_core import clock
from tenon_gateway.metrics import REQUESTS, SECONDS
from tenon_gateway.pipeline.exchange import Exchange

NO_ROUTE = "none"
CLIENT_GONE = 499
"""As nginx counts a request whose client did not wait; it is never sent to anybody."""

_requests = cache(REQUESTS.labels)
_seconds = cache(SECONDS.labels)


class RequestLog:
    """Counts requests, and writes a JSON line for each: all lines of a turn in one write.

    A line has ids and the route's template, and nothing that a client wrote.
    """

    def __init__(self, write: Callable[[bytes], object] | None) -> None:
        """Write lines by `write`; None counts only."""
        self._write = write
        self._lines: list[bytes] = []

    def add(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.started_at
        route = exchange.route or NO_ROUTE
        status = exchange.status or CLIENT_GONE
        _requests(route, status).inc()
        _seconds(route).observe(seconds)
        if self._write is not None:
            self._add_line(exchange, route, status, seconds)

    def _add_line(self, exchange: Exchange, route: str, status: int, seconds: float) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        identity = exchange.identity
        line = {
            "event": "request",
            "level": "info",
            "logger": "tenon_gateway",
            "process": "gateway",
            "timestamp": clock.now(),
            "request_id": exchange.request_id,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1_000, 2),
            "user_id": identity and identity.user_id,
            "key_id": identity and identity.key and identity.key.key_id,
            "org_id": exchange.org_id,
        }
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        assert self._write is not None
        self._write(b"".join(lines))
