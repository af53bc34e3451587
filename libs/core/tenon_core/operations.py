"""The port for operators: /metrics, /healthz and /readyz over plain HTTP."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name it overrides
        """Say nothing: a probe every second is no news."""


class OperationsServer:
    """Answers scrapes and probes from a thread, so that a busy event loop still does."""

    def __init__(self, listen: str, ready: Callable[[], bool]) -> None:
        self._host, _, port = listen.rpartition(":")
        self._port = int(port)
        self._ready = ready
        self._metrics = make_wsgi_app(REGISTRY)
        self._server: WSGIServer | None = None

    def start(self) -> int:
        """Listen, and return the port."""
        self._server = make_server(
            self._host, self._port, self._answer, server_class=_Server, handler_class=_QuietHandler
        )
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()
        return self._server.server_port

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                scrape: Iterable[bytes] = self._metrics(environ, start_response)
                return scrape
            case "/healthz":
                return _say(start_response, "200 OK", "alive")
            case "/readyz" if self._ready():
                return _say(start_response, "200 OK", "ready")
            case "/readyz":
                return _say(start_response, "503 Service Unavailable", "not ready")
            case _:
                return _say(start_response, "404 Not Found", "try /metrics, /healthz or /readyz")


def _say(start_response: "StartResponse", status: str, text: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode() + b"\n"]
