"""One HTTP request on its way through the gateway, and its reply."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import cached_property
from typing import TypeAlias
from uuid import UUID

from starlette.types import Message, Receive, Scope, Send

from tenon_core.ids import uuid7
from tenon_gateway.cookies import read_cookies
from tenon_gateway.pipeline.budgets import ByteBudget, Hold
from tenon_gateway.pipeline.reply import Header, Reply, with_defaults
from tenon_policy.audit_clients import MAX_USER_AGENT
from tenon_policy.policies import Role
from tenon_policy.tokens import Identity

SCOPE_KEY = "tenon.exchange"
"""Where routers find the exchange in their scope."""
WATCHERS_KEY = "tenon.watchers"
"""Where the connection puts those who want to know that the client is gone."""
Watchers: TypeAlias = set[Callable[[], None]]
READING_METHODS = frozenset({"GET", "HEAD"})
PIECE_BYTES = 64 * 1024
"""How much of a reply is sent at once: a client that does not read keeps the rest unsent."""


class Exchange:
    """What is known of a request so far; each step of the pipeline adds its part."""

    route: str = ""
    """The name of the route that was found."""
    identity: Identity | None = None
    access_token: str | None = None
    org_id: UUID | None = None
    role: Role = Role.NONE
    status: int = 0
    complete: bool = False
    abandoned: bool = False
    """The client is gone, and what answered it was ended."""
    error: Exception | None = None
    """What the request was refused with."""
    before_reply: Callable[[int], Awaitable[None]] | None = None
    """Runs with the status of the reply, before anything of it is sent."""
    admission_seconds: float = 0.0
    """What admission took of the time for an answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        requests: ByteBudget,
        replies: ByteBudget,
    ) -> None:
        """Begin an exchange; its bodies count against the budgets."""
        self.scope = scope
        self.receive = receive
        self._send = send
        self.request_id = str(uuid7())
        self.started_at = time.perf_counter()
        self._watchers: Watchers = scope.get(WATCHERS_KEY, set())
        self._task: asyncio.Task[None] | None = None
        self._request_hold = Hold(requests)
        self._reply_hold = Hold(replies)
        self.parameters: Mapping[str, str] = {}
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.notes: list[Header] = [(b"x-request-id", self.request_id.encode())]
        """Headers of the reply that belong to this exchange alone."""

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def reads(self) -> bool:
        return self.method in READING_METHODS

    @property
    def raw_path(self) -> str:
        """The path as it was sent, percent-encoded, without the query."""
        return bytes(self.scope["raw_path"]).decode("ascii", "replace")

    @property
    def address(self) -> str:
        """The client's IP address."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def header(self, name: bytes) -> str:
        """Return a request header by its lower-case name; "" if it is not there."""
        return self.headers.get(name, b"").decode("latin-1")

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        return read_cookies(self.header(b"cookie"))

    @property
    def user_agent(self) -> str:
        """What the client says that it is, cut to what the audit log keeps."""
        return self.header(b"user-agent")[:MAX_USER_AGENT]

    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return what goes along with a call to a service: the client's verified token, and for
        policies and the audit log its address, which it cannot choose, and its user agent.
        """
        sent: list[tuple[str, str | bytes]] = [
            ("x-tenon-request-id", self.request_id),
            ("x-tenon-client-address", self.address),
            ("x-tenon-user-agent-bin", self.user_agent.encode()),
        ]
        if self.access_token is not None:
            sent.append(("authorization", f"Bearer {self.access_token}"))
        return tuple(sent)

    @property
    def client(self) -> Hashable:
        """Whose share of a limited resource the exchange uses: the user's, the API key's
        organization's, or the address's.
        """
        identity = self.identity
        if identity is None:
            return self.address
        return identity.key.org_id if identity.key else identity.user_id

    def hold_request(self, size: int) -> None:
        """Count a request body of this size until the exchange ends; GatewayBusy."""
        self._request_hold.grow_to(self.client, size)

    def hold_reply(self, size: int) -> None:
        """Count a reply of this size until the exchange ends; GatewayBusy."""
        self._reply_hold.grow_to(self.client, size)

    def end_with_client(self) -> None:
        """End the current task once the client is gone; only for what may end halfway."""
        self._task = asyncio.current_task()
        self._watchers.add(self._abandon)

    def ended(self) -> None:
        self._watchers.discard(self._abandon)
        self._request_hold.release()
        self._reply_hold.release()

    def _abandon(self) -> None:
        assert self._task is not None
        self.abandoned = True
        self._task.cancel()

    async def reply(self, reply: Reply) -> None:
        await self._begin(reply.status)
        self.complete = True
        await self._send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [*reply.headers, *self.notes],
            }
        )
        await self._send_body(reply.body, more=False)

    async def _begin(self, status: int) -> None:
        self.status = status
        if self.before_reply is not None:
            await self.before_reply(status)

    async def send(self, message: Message) -> None:
        """Pass on what a router sends, with the headers that every reply has."""
        if message["type"] == "http.response.start":
            await self._begin(message["status"])
            headers = [*with_defaults(message.get("headers", ())), *self.notes]
            await self._send({**message, "headers": headers})
            return
        more = message.get("more_body", False)
        self.complete = not more
        await self._send_body(message.get("body", b""), more=more)

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        """Send a body in pieces; the server takes each once its buffer has room."""
        for start in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        last = body[-(len(body) % PIECE_BYTES or PIECE_BYTES) :]
        await self._send({"type": "http.response.body", "body": last, "more_body": more})
