"""An organization's own endpoint: takes what is sent to it, and answers as a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tenon_tenancy.audit_events.models import AuditEvent
from tenon_tenancy.audit_verification import documents


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of a delivery, as they are told."""
        events: list[dict[str, Any]] = json.loads(self.body)["data"]["events"]
        return events

    @property
    def lines(self) -> list[AuditEvent]:
        return [documents.read(json.dumps(event))[1] for event in self.events]

    @property
    def positions(self) -> list[int]:
        return [line.position for line in self.lines]

    def verified(self, secret: str) -> dict[str, Any]:
        """Verify and parse it as receivers do; WebhookVerificationError."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


@dataclass
class Receiver:
    """Answers each path with the status that was chosen for it; `hang` never answers."""

    port: int
    received: list[Received] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    def positions(self, path: str) -> Callable[[], Any]:
        """Return a condition: the positions of all lines that came to a path."""

        async def found() -> list[int]:
            return [position for one in self.at(path) for position in one.positions]

        return found

    async def _answer(self, request: web.Request) -> web.Response:
        sent = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, sent, await request.read()))
        if request.path.startswith("/hang"):
            await self.released.wait()
        status = self.statuses.get(request.path, 204)
        headers = {"location": self.url("/elsewhere"), **self.headers}
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving(port: int) -> AsyncIterator[Receiver]:
    receiver = Receiver(port)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver._answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()
