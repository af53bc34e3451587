"""HTTP connections that nobody can hold open for nothing: uvicorn itself bounds no head."""

from asyncio import TimerHandle, Transport
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tenon_core.ids import uuid7
from tenon_gateway.errors import HeadersTooLarge, MalformedRequest, framing_too_large
from tenon_gateway.pipeline.exchange import WATCHERS_KEY, Watchers
from tenon_gateway.pipeline.reply import refusing
from tenon_gateway.problems import Refusal

MAX_HEAD_BYTES = 32 * 1024
MAX_FRAMING_BYTES = 16 * 1024
"""How much of a chunked body may be neither data nor its usual framing: chunk extensions and
trailers. As Go's net/http has it (CVE-2023-39326)."""
CHUNK_BYTES = 16
"""What a chunk may take besides its data for free; each byte of data allows two more, for clients
that send single bytes."""
PIECE_BYTES = 16 * 1024
"""How much is parsed at once: bounds are checked in between, and what exceeds one by no more."""
FIELD_BYTES = len(": \r\n")
LINGER_SECONDS = 3.0
"""How long the rest of a refused body is read and thrown away: to close at once would reset the
connection before the client has read why."""
STALL_SECONDS = 30.0
"""How long a client may leave a reply unread that does not fit into the buffers."""


class HeldFlow(FlowControl):
    """Keeps reading paused while `held`, whatever the requests in progress ask for."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Bounds every part of a request but the body's data by bytes, the head by time, and by time
    what is sent after its reply and how long a reply is left unread. Trailers are dropped (RFC
    9110, 6.5.1). Tells who watches for it that the client is gone.
    """

    def __init__(self, *args: Any, head_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_seconds = head_seconds
        self._unparsed = bytearray()
        self._in_head = True
        self._head_bytes = 0
        self._framing_bytes = 0
        self._messages = 0
        self._refused = False
        self._timer: TimerHandle | None = None
        self._stall: TimerHandle | None = None
        self._watchers: Watchers = set()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self._close_in(self._head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_stall()
        for gone in list(self._watchers):
            gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if not self._refused:
            self._unparsed += data
            self._parse()

    def _parse(self) -> None:
        """Parse what has arrived, but no further while a request waits for the one before it."""
        while self._unparsed and not self.pipeline and not self._is_ending():
            piece = bytes(self._unparsed[:PIECE_BYTES])
            del self._unparsed[:PIECE_BYTES]
            self._parse_piece(piece)
        if not self._is_ending():
            self._hold(bool(self._unparsed))

    def _parse_piece(self, piece: bytes) -> None:
        messages, in_head = self._messages, self._in_head
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:  # is not taken up: HTTP/1.1 goes on
            self._unparsed[:0] = piece[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._refuse(self._fault())
            return
        if messages == self._messages and in_head == self._in_head:
            self._count(len(piece))
        self._require_bounds()

    def _count(self, size: int) -> None:
        """Count a piece that lies wholly within one head or one body."""
        if self._in_head:
            self._head_bytes += size
        else:
            self._framing_bytes += size

    def _require_bounds(self) -> None:
        if self._is_ending():
            return
        if self._head_bytes > MAX_HEAD_BYTES or self._framing_bytes > MAX_FRAMING_BYTES:
            self._refuse(self._fault())
        elif self._in_head and self._timer is None and self._is_idle():
            self._close_in(self._head_seconds)

    def _fault(self) -> Refusal:
        if self._head_bytes > MAX_HEAD_BYTES:
            return HeadersTooLarge()
        if self._framing_bytes > MAX_FRAMING_BYTES:
            return framing_too_large(MAX_FRAMING_BYTES)
        return MalformedRequest("The request is not valid HTTP.")

    def _hold(self, held: bool) -> None:
        """Pause reading while there is something to parse, and resume it afterwards."""
        flow = cast("HeldFlow", self.flow)
        if held == flow.held:
            return
        flow.held = held
        if held:
            flow.pause_reading()
        elif not self.pipeline:
            flow.resume_reading()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_ending(self) -> bool:
        return self._refused or self.transport.is_closing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[WATCHERS_KEY] = self._watchers  # type: ignore[literal-required] # ours

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._framing_bytes = 0
        fields = sum(len(name) + len(value) + FIELD_BYTES for name, value in self.headers)
        self._head_bytes = len(self.url) + fields
        self._stop_timer()
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError  # the parser turns it into its own error, which is answered
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._allow(CHUNK_BYTES)

    def on_body(self, body: bytes) -> None:
        self._allow(3 * len(body))  # itself, and two for each
        super().on_body(body)

    def _allow(self, size: int) -> None:
        self._framing_bytes = max(0, self._framing_bytes - size)

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
        self._parse()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall()
        super().resume_writing()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer the request that is being read, unless another reply is due or has begun; in any
        case end the connection, once the client had time to read why.
        """
        self._refused = True
        self._unparsed.clear()
        can_answer = self._is_idle() if self._in_head else self._is_unanswered()
        if not can_answer:
            self.transport.close()
            return
        self._disconnect_cycle()
        self._write_refusal(refusal)
        self.transport.write_eof()
        self._close_in(LINGER_SECONDS)

    def _is_unanswered(self) -> bool:
        return not self.pipeline and not self.cycle.response_started

    def _disconnect_cycle(self) -> None:
        """Tell the request in progress that its client gets no more replies."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _write_refusal(self, refusal: Refusal) -> None:
        request_id = str(uuid7())
        reply = refusing(refusal, request_id)
        headers = [
            *reply.headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body]))

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
