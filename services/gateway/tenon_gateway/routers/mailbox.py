"""The development mailbox: what the system has mailed, for people who try it out.

It needs no login, so it is served at our own host names only. Otherwise any site could read it from
the browser of a developer, by a DNS record that points to 127.0.0.1 (DNS rebinding).
"""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from tenon_core.errors import NotFound
from tenon_gateway.errors import wrong_host
from tenon_gateway.pipeline.credentials import allowed_origins
from tenon_gateway.routers.endpoints import GATEWAY_TAG, READ, Endpoint, exchange_of
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.encoders import to_json
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation

MAX_MAILS = 200

_MAIL = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("id", "to", "subject", "text", "html")},
        "time": {"type": "string", "format": "date-time"},
    },
}
LIST_MAILS_OPERATION = ManualOperation(
    "GET",
    "/api/dev/mailbox",
    name="ListDevelopmentMails",
    tag=GATEWAY_TAG,
    summary="Lists the mails that the system has sent, newest first. In development only.",
    reply=Content(
        schema={
            "type": "object",
            "required": ["items"],
            "properties": {"items": {"type": "array", "items": _MAIL}},
        }
    ),
)
OPERATIONS = (LIST_MAILS_OPERATION,)


class MailboxRouter:
    def __init__(self, directory: Path | None, settings: GatewaySettings) -> None:
        """Show the Maildir at `directory`; None outside development."""
        self._directory = directory
        self._public_url = settings.public_url
        self._hosts = frozenset(urlsplit(origin).netloc for origin in allowed_origins(settings))

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(LIST_MAILS_OPERATION, self.list_mails, rate=READ)]

    async def list_mails(self, request: Request) -> Response:
        if self._directory is None:
            raise NotFound
        if exchange_of(request).header(b"host").lower() not in self._hosts:
            raise wrong_host(self._public_url)
        mails = await asyncio.to_thread(read_mails, self._directory)
        return Response(to_json({"items": mails}), media_type=JSON)


def read_mails(directory: Path) -> list[dict[str, Any]]:
    """Return the latest mails of a Maildir, newest first."""
    arrived = sorted(
        (path for part in ("new", "cur") for path in (directory / part).glob("*")),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    return [read_mail(path) for path in arrived[:MAX_MAILS]]


def read_mail(path: Path) -> dict[str, Any]:
    message = BytesParser(policy=default).parsebytes(path.read_bytes())
    assert isinstance(message, EmailMessage)
    return {
        "id": ".".join(path.name.split(".")[:2]),  # the rest names the host
        "to": str(message["to"] or message["x-rcptto"] or ""),
        "subject": str(message["subject"] or ""),
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "time": datetime.fromtimestamp(path.stat().st_mtime, UTC),
    }


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
