"""A system of its own for one test run: a database, and services as they are needed."""

import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeVar

import grpc
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenon_core.ids import uuid7
from tenon_core.settings import ProcessSettings, ServiceSettings
from tenon_crypto.file_keyring import create_keyring
from tenon_db import migrations
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_embedded.command import Command
from tenon_embedded.ports import free_port
from tenon_embedded.server import Server, inherited_environment
from tenon_rpc.channel import open_channel
from tenon_rpc.process import ServiceApp, running
from tenon_testing.servers import Servers

SERVICES = ("auth", "tenancy", "reports", "notifications")
EVERYBODY_NEEDS = ("auth", "tenancy")
QUICK_BCRYPT_COST = "4"

S = TypeVar("S", bound=ServiceSettings)


class ServiceProcess(Server):
    """A process of ours: `python -m tenon_<service> <verb>`."""

    def __init__(
        self, directory: Path, service: str, verb: str, operations_port: int, values: dict[str, str]
    ) -> None:
        self.name = f"{service}-{verb}"
        super().__init__(directory, operations_port)
        self._command = Command(
            (sys.executable, "-m", f"tenon_{service}", verb), environment(service, values)
        )

    def prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        return self._command

    def is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200  # noqa: PLR2004 # HTTP's OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class System:
    """One database, one port for each service, and the settings that fit these together."""

    def __init__(self, servers: Servers, database: str) -> None:
        self.servers = servers
        self.database = database
        self.directory = servers.directory / database
        self.ports = {process: free_port() for process in (*SERVICES, "gateway")}
        self._passwords = {service: _passwords(service) for service in SERVICES}
        self._processes: dict[str, ServiceProcess] = {}
        self._prepare()

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    def values(self, service: str, process: str = "") -> dict[str, str]:
        """Return the settings of a process by their names without prefix."""
        process = process or service
        certificate = self.servers.certificates.issue(process)
        peers = {service: f"127.0.0.1:{self.ports[service]}" for service in SERVICES}
        return {
            "environment": "development",
            "log_level": "warning",
            "listen": f"127.0.0.1:{self.ports.get(process, 0)}",
            "operations_listen": f"127.0.0.1:{free_port()}",
            "tls_ca": str(certificate.ca),
            "tls_cert": str(certificate.cert),
            "tls_key": str(certificate.key),
            "redis_url": self.servers.valkey.url(),
            "peers": json.dumps(peers),
            **(self._database_urls(service) if service in SERVICES else {}),
            **self._own_values(service),
        }

    def start(self, service: str, verb: str = "serve") -> ServiceProcess:
        """Run a service's process beside the test; return it at once if it runs already."""
        name = f"{service}-{verb}"
        if name not in self._processes:
            values = self.values(service, service if verb == "serve" else f"{service}-worker")
            if service in SERVICES:
                self._migrate(service, values)
            port = int(values["operations_listen"].rpartition(":")[2])
            process = ServiceProcess(self.directory / "logs", service, verb, port, values)
            process.start()
            self._processes[name] = process
        return self._processes[name]

    def start_all(self) -> None:
        """Run everything: services, workers and the gateway."""
        for service in SERVICES:
            self.start(service)
        for service in SERVICES:
            self.start(service, "worker")
        self.start("gateway")

    def stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.stop()

    @asynccontextmanager
    async def serving(self, app: ServiceApp[S]) -> AsyncIterator[grpc.aio.Channel]:
        """Serve an app in this process, as one more replica, with what it needs beside it.

        Yields a channel as the gateway has it: through mTLS and the guard; what the service
        refuses is raised as PeerError.
        """
        for service in EVERYBODY_NEEDS:
            self.start(service)
        settings = self.settings(app)
        owner = settings.migration_database_url
        assert owner is not None
        migrations.run(owner.get_secret_value(), schema=app.name, versions=app.migrations)
        async with running(app, settings) as port:
            channel = self.channel(app.name, at=f"127.0.0.1:{port}")
            yield channel
            await channel.close(None)

    def settings(self, app: ServiceApp[S]) -> S:
        """Return the settings that an app gets in this system."""
        values = {**_decoded(self.values(app.name)), "listen": "127.0.0.1:0"}
        return app.settings.model_validate(values)

    def channel(self, service: str, *, caller: str = "gateway", at: str = "") -> grpc.aio.Channel:
        """Open a channel to a service with the certificate of `caller`, to its process or `at`."""
        settings = ProcessSettings.model_validate(_decoded(self.values("gateway", caller)))
        peers = {**settings.peers, service: at or settings.peers[service]}
        return open_channel(settings.model_copy(update={"peers": peers}), service)

    def admin_url(self) -> str:
        """Return the URL of the database's superuser, past all row level security."""
        return self.servers.postgres.url(self.database)

    def _prepare(self) -> None:
        for name in ("keys", "files", "logs"):
            (self.directory / name).mkdir(parents=True)
        create_keyring(self.directory / "keyring")
        for name in ("link.key", "address.key"):
            (self.directory / name).write_bytes(secrets.token_bytes(32))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.directory / "keys" / f"{uuid7()}.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        provision(self.servers.postgres.url(), self.database, self._passwords)

    def _database_urls(self, service: str) -> dict[str, str]:
        url = partial(self.servers.postgres.url, self.database)
        passwords = self._passwords[service]
        return {
            "database_url": url(app_role(service), passwords.app),
            "migration_database_url": url(owner_role(service), passwords.owner),
        }

    def _own_values(self, service: str) -> dict[str, str]:
        public_url = {"public_url": self.url}
        files, link_key = self.directory / "files", self.directory / "link.key"
        match service:
            case "auth":
                return {
                    "signing_keys_directory": str(self.directory / "keys"),
                    "keyring_url": (self.directory / "keyring").as_uri(),
                    "bcrypt_cost": QUICK_BCRYPT_COST,
                }
            case "reports":
                return public_url | {"storage_url": files.as_uri(), "link_key_file": str(link_key)}
            case "notifications":
                mail_from = "Tenon <no-reply@tenon.test>"
                return public_url | {"smtp_url": self.servers.mailsink.url, "mail_from": mail_from}
            case "gateway":
                return public_url | {
                    "storage_directory": str(files),
                    "link_key_file": str(link_key),
                    "address_key_file": str(self.directory / "address.key"),
                    "mailbox_directory": str(self.servers.mailsink.maildir),
                    "rate_limit_mode": "shadow",
                }
            case _:
                return {}

    def _migrate(self, service: str, values: dict[str, str]) -> None:
        subprocess.run(  # noqa: S603 # our own module
            [sys.executable, "-m", f"tenon_{service}", "migrate"],
            env=environment(service, values),
            check=True,
        )


def environment(service: str, values: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process: nothing of ours but its own settings."""
    named = {f"TENON_{service.upper()}_{name.upper()}": value for name, value in values.items()}
    return {**inherited_environment(), **named}


def _passwords(service: str) -> Passwords:
    """Name the roles' passwords: roles are shared by all databases of a server."""
    return Passwords(owner=f"owner-of-{service}", app=f"app-of-{service}")


def _decoded(values: dict[str, str]) -> dict[str, object]:
    return {**values, "peers": json.loads(values["peers"])}
