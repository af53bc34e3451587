"""The HTTP server: uvicorn with bounded connections, started and drained by whoever runs it."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from tenon_gateway.connections import BoundedProtocol
from tenon_gateway.settings import BadSettings, GatewaySettings

BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 10
POLL_SECONDS = 0.01
CLOSE = (b"connection", b"close")


class HttpServer(uvicorn.Server):
    """Serves until it is drained; leaves the process' signals alone."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        protocol = partial(BoundedProtocol, head_seconds=settings.header_seconds)
        config = uvicorn.Config(
            app,
            http=cast("Any", protocol),  # uvicorn only calls it
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # its warnings are about what clients send
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        super().__init__(config)
        self._socket = listen(settings.listen)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begin to serve, and return the port."""
        self._task = asyncio.create_task(self.serve(sockets=[self._socket]))
        while not self.started:
            await asyncio.sleep(POLL_SECONDS)
        port: int = self._socket.getsockname()[1]
        return port

    def say_goodbye(self) -> None:
        """Let every reply from now on ask its client to connect elsewhere, and close after it."""
        # uvicorn makes its headers anew each second from those of its configuration.
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers.append(CLOSE)

    async def drain(self) -> None:
        """Take no more connections, finish the requests in flight, and stop."""
        self.should_exit = True
        if self._task is not None:
            await self._task

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(address: str) -> socket.socket:
    """Open a listening socket on `host:port`; BadSettings says why it cannot be."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio sets TCP_NODELAY only on sockets that say that they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BadSettings(f"cannot listen on {address}: {error.strerror}") from error
    return listener
