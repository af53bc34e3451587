"""PgBouncer in transaction mode, where it is installed: each transaction gets any session."""

import shutil
from functools import cached_property
from pathlib import Path

from tenon_embedded.accounts import Account, account_for
from tenon_embedded.command import Command
from tenon_embedded.ports import free_port, is_listening
from tenon_embedded.secret_file import write_secret
from tenon_embedded.server import Server, inherited_environment

CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 400
auth_type = scram-sha-256
auth_file = {directory}/users
ignore_startup_parameters = options
"""


def find_pgbouncer() -> Path | None:
    """Return the program; system directories are looked into as well."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


class PgBouncer(Server):
    """A pooler with few sessions in front of a server. It does not run as root."""

    name = "pgbouncer"

    def __init__(
        self, directory: Path, program: Path, server_port: int, users: dict[str, str], sessions: int
    ) -> None:
        super().__init__(directory, free_port())
        self._program = program
        self._server_port = server_port
        self._users = users
        self._sessions = sessions

    @cached_property
    def _account(self) -> Account:
        return account_for(self.directory, self._program)

    def prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = CONFIGURATION.format(
            port=self.port,
            server_port=self._server_port,
            directory=self.directory,
            sessions=self._sessions,
        )
        users = "".join(f'"{name}" "{password}"\n' for name, password in self._users.items())
        for name, text in (("pgbouncer.ini", configuration), ("users", users)):
            write_secret(self.directory / name, text.encode())
            shutil.chown(self.directory / name, self._account.uid, self._account.gid)

    def command(self) -> Command:
        arguments = (str(self._program), str(self.directory / "pgbouncer.ini"))
        return Command((*self._account.prefix, *arguments), inherited_environment())

    def is_ready(self) -> bool:
        return is_listening(self.port)
