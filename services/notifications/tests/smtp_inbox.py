"""An SMTP server that takes mails, or behaves as badly as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

HANG_UP = "hang up"
"""A reply to DATA: take the mail and close the connection."""


@dataclass
class Inbox:
    """Takes mails, or says something else at one stage."""

    replies: dict[str, str] = field(default_factory=dict)
    taken: list[Envelope] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    connections: list[SMTP] = field(default_factory=list)
    port: int = 0

    def hang_up(self) -> None:
        for connection in self.connections:
            if connection.transport:
                connection.transport.close()

    async def handle_MAIL(
        self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.sessions.add(id(session))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.replies.get("RCPT", "250 OK")

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        reply = self.replies.get("DATA", "250 OK")
        if reply.startswith("250"):
            self.taken.append(envelope)
        if reply == HANG_UP:
            self.taken.append(envelope)
            self.hang_up()
        return reply


@asynccontextmanager
async def smtp_inbox(
    tls: ssl.SSLContext | None = None,
    replies: dict[str, str] | None = None,
    port: int = 0,
    inbox: Inbox | None = None,
    **options: Any,
) -> AsyncIterator[Inbox]:
    """Serve until the block ends; `options` are those of aiosmtpd's SMTP."""
    inbox = inbox or Inbox(replies or {})

    def connected() -> SMTP:
        inbox.connections.append(SMTP(inbox, **options))
        return inbox.connections[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connected, "127.0.0.1", port, ssl=tls)
    inbox.port = server.sockets[0].getsockname()[1]
    yield inbox
    server.close()
    inbox.hang_up()
