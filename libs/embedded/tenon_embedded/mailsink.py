"""A mail server that keeps what it is sent in a Maildir and delivers nothing.

`python -m tenon_embedded.mailsink --port 2525 --maildir mail`
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tenon_embedded.command import Command
from tenon_embedded.ports import free_port, is_listening
from tenon_embedded.server import Server, inherited_environment


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


async def serve(port: int, maildir: Path) -> None:
    """Until SIGTERM or SIGINT. Maildir writes and renames, so a message is there whole or not."""
    from aiosmtpd.handlers import Mailbox  # here, so that who only starts it stays small
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    handler = Mailbox(maildir)
    async with await loop.create_server(lambda: SMTP(handler), "127.0.0.1", port):
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep mail in a Maildir.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--maildir", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.maildir))


if __name__ == "__main__":
    main()
