"""A mail server that keeps what it is sent in a Maildir and delivers nothing.

`python -m tenon_embedded.mailsink --port 2525 --maildir mail`
"""

import argparse
import asyncio
import mailbox
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tenon_embedded.command import Command
from tenon_embedded.ports import free_port, is_listening
from tenon_embedded.server import Server, inherited_environment

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session


class MailSink(Server):
    name = "mailsink"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        super().__init__(directory, port or free_port())

    @property
    def maildir(self) -> Path:
        return self.directory / "maildir"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def command(self) -> Command:
        module = (sys.executable, "-P", "-m", "tenon_embedded.mailsink")
        options = (f"--port={self.port}", f"--maildir={self.maildir}")
        return Command((*module, *options), inherited_environment())

    def is_ready(self) -> bool:
        return is_listening(self.port)


class Keeper:
    """Keeps each message as it came, below headers that name its envelope's addresses."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = mailbox.Maildir(maildir)

    async def handle_DATA(  # noqa: N802 # aiosmtpd's name
        self, _: "SMTP", __: "Session", envelope: "Envelope"
    ) -> str:
        assert isinstance(envelope.content, bytes)
        recipients = ", ".join(envelope.rcpt_tos)
        head = f"X-MailFrom: {envelope.mail_from}\r\nX-RcptTo: {recipients}\r\n"
        self._maildir.add(head.encode() + envelope.content)
        return "250 OK"


async def serve(port: int, maildir: Path) -> None:
    """Until SIGTERM or SIGINT. Maildir writes and renames, so a message is there whole or not."""
    from aiosmtpd.smtp import SMTP  # here, so that who only starts it stays small

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    keeper = Keeper(maildir)

    def connected() -> SMTP:
        return SMTP(keeper, enable_SMTPUTF8=True)

    async with await loop.create_server(connected, "127.0.0.1", port):
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep mail in a Maildir.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--maildir", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.maildir))


if __name__ == "__main__":
    main()
