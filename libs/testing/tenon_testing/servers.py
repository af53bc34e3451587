"""The servers that a test run shares, each started when it is first asked for."""

from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tenon_embedded.certificates import CertificateAuthority
from tenon_embedded.mailsink import MailSink
from tenon_embedded.ports import free_port
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.server import Server
from tenon_embedded.valkey import ValkeyServer

S = TypeVar("S", bound=Server)


class Servers:
    """Real servers in one temporary directory, on free ports of the loopback address.

    With `durable` PostgreSQL keeps what was committed when it is killed.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory = directory
        self._durable = durable
        self._started: list[Server] = []

    @cached_property
    def postgres(self) -> PostgresServer:
        return self._start(PostgresServer(self.directory / "postgres", durable=self._durable))

    @cached_property
    def valkey(self) -> ValkeyServer:
        return self._start(ValkeyServer(self.directory / "valkey", free_port()))

    @cached_property
    def mailsink(self) -> MailSink:
        return self._start(MailSink(self.directory / "mail", free_port()))

    @cached_property
    def certificates(self) -> CertificateAuthority:
        return CertificateAuthority(self.directory / "certificates")

    def stop(self) -> None:
        for server in reversed(self._started):
            server.stop()

    def _start(self, server: S) -> S:
        server.start()
        self._started.append(server)
        return server
