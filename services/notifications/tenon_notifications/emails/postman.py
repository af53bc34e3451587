"""Handing mails over to the SMTP server."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from tenon_notifications.errors import AddressUnsupported, MailDelayed, Undeliverable

DEFAULT_TIMEOUT_SECONDS = 10.0
PERMANENT = 500

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails go, and how the connection is protected."""

    host: str
    port: int
    tls: bool
    starttls: bool
    username: str | None
    password: str | None
    ca: str | None
    timeout: float

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL as `NotificationsSettings.smtp_url` describes it; ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the SMTP URL must be smtp://, smtp+starttls:// or smtps://host:port")
        options = parse_qs(parts.query)
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            tls=parts.scheme == "smtps",
            starttls=parts.scheme == "smtp+starttls",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ca=options.get("ca", [None])[0],
            timeout=float(options.get("timeout", [DEFAULT_TIMEOUT_SECONDS])[0]),
        )


class Postman:
    """Keeps connections for the next mail; as many are open as mails are handed over at once."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=server.ca)
        self._idle: list[SMTP] = []

    async def hand_over(self, sender: str, recipient: str, message: EmailMessage) -> None:
        """Return once the server has taken the mail.

        Raises Undeliverable if it refuses this recipient or content for good, AddressUnsupported
        if it takes no recipient outside ASCII, MailDelayed if it cannot be reached, is busy, or
        refuses us: an operator may repair that.
        """
        try:
            async with self._connection() as client:
                options = await _options(client, recipient)
                await client.sendmail(sender, [recipient], message.as_bytes(), mail_options=options)
        except SMTPRecipientsRefused as refused:
            raise _refused(refused.recipients[0]) from None
        except SMTPDataError as refused:
            raise _refused(refused) from None
        except SMTPResponseException as error:
            raise MailDelayed(f"the SMTP server said {error.code}") from None
        except (SMTPException, OSError) as error:
            raise MailDelayed(f"no SMTP: {type(error).__name__}") from None

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SMTP]:
        """Lend a connection; one on which anything failed is not used again."""
        client = await self._take()
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    async def _take(self) -> SMTP:
        while self._idle:
            client = self._idle.pop()
            try:
                await client.rset()
            except (SMTPException, OSError):
                client.close()
            else:
                return client
        return await self._connect()

    async def _connect(self) -> SMTP:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=self._tls if server.tls or server.starttls else None,
            username=server.username,
            password=server.password,
            timeout=server.timeout,
        )
        await client.connect()
        return client


async def _options(client: SMTP, recipient: str) -> list[str]:
    """Ask for SMTPUTF8 where it is needed; AddressUnsupported."""
    if recipient.isascii():
        return []
    await client.ehlo()  # only this says what the server supports
    if not client.supports_extension("smtputf8"):
        raise AddressUnsupported(
            "the SMTP server takes no address with letters outside ASCII (it lacks SMTPUTF8)"
        )
    return ["SMTPUTF8", "BODY=8BITMIME"] if client.supports_extension("8bitmime") else ["SMTPUTF8"]


def _refused(refusal: SMTPResponseException) -> Exception:
    """Keep the code only: servers repeat the address in their text."""
    why = f"the SMTP server said {refusal.code}"
    return Undeliverable(why) if refusal.code >= PERMANENT else MailDelayed(why)
