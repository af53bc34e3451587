"""HTTP connections that nobody can hold open for nothing: uvicorn itself bounds no head."""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tenon_core.ids import uuid7
from tenon_gateway.errors import head_too_large, malformed_request
from tenon_gateway.pipeline.exchange import WATCHERS_KEY, Watchers
from tenon_gateway.pipeline.reply import refusing
from tenon_gateway.problems import Refusal

MAX_HEAD_BYTES = 32 * 1024
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and thrown away: to close at once would reset the
connection before the client has read why."""
STALL_SECONDS = 30.0
"""How long a client may leave a reply unread that does not fit into the buffers."""


class BoundedProtocol(HttpToolsProtocol):
    """Bounds a request's head by bytes and by time, and by time what is sent after its reply and
    how long a reply is left unread. Tells who watches for it that the client is gone.
    """

    def __init__(self, *args: Any, head_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_seconds = head_seconds
        self._in_head = True
        self._head_bytes = 0
        self._messages = 0
        self._timer: TimerHandle | None = None
        self._stall: TimerHandle | None = None
        self._watchers: Watchers = set()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn
        super().connection_made(transport)
        self._close_in(self._head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_stall()
        for gone in list(self._watchers):
            gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        messages = self._messages
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if messages == self._messages:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(head_too_large())
        elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._close_in(self._head_seconds)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[WATCHERS_KEY] = self._watchers  # type: ignore[literal-required] # ours

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = len(self.url) + sum(len(n) + len(v) for n, v in self.headers)
        self._stop_timer()
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError  # the parser turns it into its own error, and that is answered below
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._messages += 1
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and self.cycle.response_complete:
            self._close_in(LINGER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, with a problem document as everywhere."""
        too_large = self._head_bytes > MAX_HEAD_BYTES
        self._refuse(head_too_large() if too_large else malformed_request(msg))

    def _refuse(self, refusal: Refusal) -> None:
        request_id = str(uuid7())
        reply = refusing(refusal, request_id)
        headers = [
            *reply.headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body]))
        self.transport.close()

    def _close_in(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
