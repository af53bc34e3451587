"""What the tests of mails work with: workers in the test's own loop, and a look at the rows."""

import asyncio
import mailbox
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import SecretStr

from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_notifications.app import worker
from tenon_notifications.settings import NotificationsSettings
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


@dataclass
class MailBench:
    system: System
    settings: NotificationsSettings
    admin: psycopg.AsyncConnection[dict[str, Any]]

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, system: System, settings: NotificationsSettings
    ) -> "AsyncIterator[MailBench]":
        admin = await psycopg.AsyncConnection.connect(
            system.admin_url(), autocommit=True, row_factory=dict_row
        )
        async with admin:
            yield cls(system, settings, admin)

    @asynccontextmanager
    async def working(self, smtp_port: int | None = None) -> AsyncIterator[None]:
        """Run a worker of notifications, with the shared mail sink or another SMTP server."""
        settings = self.settings
        if smtp_port:
            url = SecretStr(f"smtp://127.0.0.1:{smtp_port}?timeout=5")
            settings = settings.model_copy(update={"smtp_url": url})
        async with worker(settings) as work, work.running():
            yield

    async def sign_up(self, email: str) -> UUID:
        """Make an account of an address that matters."""
        channel = self.system.channel("auth")
        request = SignUpRequest(email=email, password=PASSWORD, name="Ada")
        reply = await UserServiceStub(channel).SignUp(request)
        await channel.close(None)
        return UUID(reply.user.id)

    async def mails_to(self, address: str) -> list[EmailMessage]:
        """Wait for a mail to somebody in the shared sink; return all there are."""

        async def arrived() -> bool:
            return bool(self._mails_to(address))

        await self.until(arrived)
        return self._mails_to(address)

    async def mail_about(self, address: str, subject: str) -> EmailMessage:
        """Wait for the mail to somebody with a word in its subject."""

        def found() -> list[EmailMessage]:
            return [mail for mail in self._mails_to(address) if subject in mail["Subject"]]

        async def arrived() -> bool:
            return bool(found())

        await self.until(arrived)
        (mail,) = found()
        return mail

    @staticmethod
    def text(mail: EmailMessage) -> str:
        part = mail.get_body(("plain",))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")

    async def run_is(self, run_id: str, state: str) -> bool:
        cursor = await self.admin.execute(
            "SELECT 1 FROM reports.runs WHERE id = %s AND state = %s", [run_id, state]
        )
        return bool(await cursor.fetchone())

    async def last_attempt_of_run(self, run_id: str) -> bool:
        """Let a run's next attempt be its last, once one has failed."""
        cursor = await self.admin.execute(
            "UPDATE reports.jobs SET attempts = 1000000, run_at = now()"
            " WHERE state = 'queued' AND attempts > 0 AND payload->>'run_id' = %s",
            [run_id],
        )
        return cursor.rowcount == 1

    async def row(self, user_id: UUID) -> dict[str, Any]:
        """Return the row of a user's mail, with its job's state, attempts and error."""
        cursor = await self.admin.execute(
            "SELECT e.*, j.state AS job, j.attempts, j.last_error FROM notifications.emails e"
            " JOIN notifications.jobs j ON j.payload->>'id' = e.id::text WHERE e.user_id = %s"
            " ORDER BY j.id DESC LIMIT 1",
            [user_id],
        )
        return await cursor.fetchone() or {}

    async def until_row(self, user_id: UUID, **wanted: Any) -> None:
        async def reached() -> bool:
            row = await self.row(user_id)
            return bool(row) and all(row[name] == value for name, value in wanted.items())

        await self.until(reached)

    async def retry_now(self) -> None:
        """Make waiting jobs due."""
        await self.admin.execute(
            "UPDATE notifications.jobs SET run_at = now() WHERE state = 'queued'"
        )

    async def everything(self, table: str) -> str:
        """Return all that a table of notifications holds."""
        name = sql.Identifier("notifications", table)
        cursor = await self.admin.execute(sql.SQL("SELECT t::text AS row FROM {} t").format(name))
        return str(await cursor.fetchall())

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait, at most 30 seconds, until a condition holds."""
        async with asyncio.timeout(30):
            while not await holds():  # no Event says so
                await asyncio.sleep(0.05)

    def _mails_to(self, address: str) -> list[EmailMessage]:
        box = mailbox.Maildir(self.system.servers.mailsink.maildir, factory=None)
        parse = BytesParser(policy=default).parsebytes
        mails = [parse(box.get_bytes(key)) for key in box.keys()]  # noqa: SIM118 # it iterates messages
        return [mail for mail in mails if address in mail["To"]]
