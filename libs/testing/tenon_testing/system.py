"""A system of its own for one test run: a database, and services as they are needed."""

import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import UUID

import grpc
import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenon_core.settings import ProcessSettings, ServiceSettings
from tenon_crypto.file_keyring import create_keyring
from tenon_crypto.pem_keys import add_pem_key
from tenon_db import migrations
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_embedded.ports import free_port
from tenon_rpc.channel import open_channel
from tenon_rpc.process import ServiceApp, running
from tenon_testing.proxy import Proxy
from tenon_testing.servers import Servers
from tenon_testing.service_process import ServiceProcess, environment

SERVICES = ("auth", "tenancy", "reports", "notifications")
EVERYBODY_NEEDS = ("auth", "tenancy")
QUICK_BCRYPT_COST = "5"

S = TypeVar("S", bound=ServiceSettings)


class System:
    """One database, one port for each service, and the settings that fit these together.

    `runner` is a module, with arguments, that runs the services' modules. At `receiver_port` a test
    may listen for what is sent to tenants' own addresses.
    """

    def __init__(self, servers: Servers, database: str, runner: Sequence[str] = ()) -> None:
        self.servers = servers
        self.database = database
        self.directory = servers.directory / database
        self.ports = {process: free_port() for process in (*SERVICES, "gateway")}
        self.receiver_port = free_port()
        self._passwords = {service: _passwords(service) for service in SERVICES}
        self._processes: dict[str, ServiceProcess] = {}
        self._replicas: list[ServiceProcess] = []
        self._proxies: dict[tuple[str, str], Proxy] = {}
        self._chosen: dict[str, dict[str, str]] = {}
        self._migrated: set[str] = set()
        self._runner = runner
        self._prepare()

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    def values(self, service: str, process: str = "") -> dict[str, str]:
        """Return the settings of a process by their names without prefix."""
        process = process or service
        certificate = self.servers.certificates.issue(process)
        edge = partial(self._port, process)
        peers = {peer: f"127.0.0.1:{edge(peer, self.ports[peer])}" for peer in SERVICES}
        valkey = self.servers.valkey
        return {
            "environment": "development",
            "public_url": self.url,
            "log_level": "warning",
            "listen": f"127.0.0.1:{self.ports.get(process, 0)}",
            "operations_listen": f"127.0.0.1:{free_port()}",
            "tls_ca": str(certificate.ca),
            "tls_cert": str(certificate.cert),
            "tls_key": str(certificate.key),
            "redis_url": _moved(valkey.url(), valkey.port, edge("redis", valkey.port)),
            "peers": json.dumps(peers),
            **(self._database_urls(service, process) if service in SERVICES else {}),
            **self._own_values(service, process),
            **self._chosen.get(process, {}),
        }

    def choose(self, process: str, **values: str) -> None:
        """Give a process other settings than usual; call before it starts."""
        self._chosen.setdefault(process, {}).update(values)

    def proxied(self, process: str, edge: str) -> Proxy:
        """Put a proxy between a process and what it asks; call before the process starts.

        `process` is a service, `gateway`, `<service>-worker`, or `*` for all; `edge` is a service,
        `gateway`, `postgres`, `redis` or `smtp`.
        """
        proxy = Proxy(self._targets()[edge])
        self._proxies[process, edge] = proxy
        return proxy

    def start(self, service: str, verb: str = "serve") -> ServiceProcess:
        """Run a service's process beside the test; return it at once if it runs already."""
        name = f"{service}-{verb}"
        if name not in self._processes:
            values = self.values(service, service if verb == "serve" else f"{service}-worker")
            if service in SERVICES and service not in self._migrated:
                self._migrate(service, values)
            process = ServiceProcess(
                self.directory / "logs", service, verb, values, runner=self._runner
            )
            process.start()
            self._processes[name] = process
        return self._processes[name]

    def replica(
        self, service: str, verb: str = "serve", module: str = "", **changes: str
    ) -> ServiceProcess:
        """Run one more process of a migrated service, on ports of its own.

        `module` is another program to run than the service's own, `changes` are other settings.
        """
        values = self.values(service, service if verb == "serve" else f"{service}-worker")
        values |= {"listen": f"127.0.0.1:{free_port()}", **changes}
        process = ServiceProcess(self.directory / "logs", service, verb, values, module=module)
        process.start()
        self._replicas.append(process)
        return process

    def start_all(self) -> None:
        """Run everything: the services at once, then their workers and the gateway."""
        self._open_servers()
        with ThreadPoolExecutor() as threads:
            list(threads.map(self.start, SERVICES))
            others = [*((service, "worker") for service in SERVICES), ("gateway", "serve")]
            list(threads.map(lambda process: self.start(*process), others))

    def stop(self) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(ServiceProcess.stop, [*self._replicas, *self._processes.values()]))
        for proxy in self._proxies.values():
            proxy.close()

    @asynccontextmanager
    async def serving(
        self, app: ServiceApp[S], *, caller: str = "gateway", **changes: object
    ) -> AsyncIterator[grpc.aio.Channel]:
        """Serve an app in this process, as one more replica, with what it needs beside it.

        Yields a channel as the gateway, or another `caller`, has it: through mTLS and the guard;
        what the service refuses is raised as PeerError. `changes` are other settings than usual.
        """
        for service in EVERYBODY_NEEDS:
            self.start(service)
        settings = self.settings(app, process="", **changes)
        owner = settings.migration_database_url
        assert owner is not None
        migrations.run(owner.get_secret_value(), schema=app.name, versions=app.migrations)
        async with running(app, settings) as port:
            channel = self.channel(app.name, caller=caller, at=f"127.0.0.1:{port}")
            yield channel
            await channel.close(None)

    def settings(self, app: ServiceApp[S], *, process: str = "", **changes: object) -> S:
        """Return the settings that an app's server, or another process of it, gets here."""
        given = _decoded(self.values(app.name, process))
        values = {**given, "listen": "127.0.0.1:0", **changes}
        return app.settings.model_validate(values)

    def channel(self, service: str, *, caller: str = "gateway", at: str = "") -> grpc.aio.Channel:
        """Open a channel to a service with the certificate of `caller`, to its process or `at`."""
        settings = ProcessSettings.model_validate(_decoded(self.values("gateway", caller)))
        peers = {**settings.peers, service: at or settings.peers[service]}
        return open_channel(settings.model_copy(update={"peers": peers}), service)

    def admin_url(self) -> str:
        """Return the URL of the database's superuser, past all row level security."""
        return self.servers.postgres.url(self.database)

    def verify_email(self, user_id: UUID | str) -> None:
        """Mark a user's address as verified, as the link in the welcome mail does."""
        with psycopg.connect(self.admin_url(), autocommit=True) as admin:
            admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [user_id])

    def _prepare(self) -> None:
        for name in ("keys", "checkpoint-keys", "files", "logs"):
            (self.directory / name).mkdir(parents=True)
        for name in ("keyring", "tenancy-keyring"):
            create_keyring(self.directory / name)
        for name in ("link.key", "address.key"):
            (self.directory / name).write_bytes(secrets.token_bytes(32))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        add_pem_key(self.directory / "keys", key)
        add_pem_key(self.directory / "checkpoint-keys", Ed25519PrivateKey.generate())
        provision(self.servers.postgres.url(), self.database, self._passwords)

    def _open_servers(self) -> None:
        """Have everything there that processes share, so that they may start at the same time."""
        self._targets()
        self.servers.certificates.issue("gateway")

    def _targets(self) -> dict[str, int]:
        servers = self.servers
        smtp, postgres, redis = servers.mailsink.port, servers.postgres.port, servers.valkey.port
        return {**self.ports, "postgres": postgres, "redis": redis, "smtp": smtp}

    def _port(self, process: str, edge: str, port: int) -> int:
        """Return where a process finds what listens on this port."""
        proxy = self._proxies.get((process, edge)) or self._proxies.get(("*", edge))
        return proxy.port if proxy else port

    def _database_urls(self, service: str, process: str) -> dict[str, str]:
        postgres = self.servers.postgres
        url = partial(postgres.url, self.database)
        passwords = self._passwords[service]
        app_url = url(app_role(service), passwords.app)
        port = self._port(process, "postgres", postgres.port)
        return {
            "database_url": _moved(app_url, postgres.port, port),
            "migration_database_url": url(owner_role(service), passwords.owner),
        }

    def _own_values(self, service: str, process: str) -> dict[str, str]:
        stored = {
            "storage_url": (self.directory / "files").as_uri(),
            "link_key_file": str(self.directory / "link.key"),
        }
        match service:
            case "auth":
                return {
                    "signing_keys_directory": str(self.directory / "keys"),
                    "keyring_url": (self.directory / "keyring").as_uri(),
                    "bcrypt_cost": QUICK_BCRYPT_COST,
                }
            case "tenancy":
                return {
                    "keyring_url": (self.directory / "tenancy-keyring").as_uri(),
                    **stored,
                    "outbound_allow": json.dumps([f"127.0.0.1:{self.receiver_port}"]),
                    "checkpoint_keys_directory": str(self.directory / "checkpoint-keys"),
                    "checkpoint_url": (self.directory / "checkpoints").as_uri(),
                }
            case "reports":
                return stored
            case "notifications":
                sink = self.servers.mailsink
                smtp_url = _moved(sink.url, sink.port, self._port(process, "smtp", sink.port))
                mail_from = "Tenon <no-reply@tenon.test>"
                return {"smtp_url": smtp_url, "mail_from": mail_from}
            case "gateway":
                return {
                    "storage_directory": str(self.directory / "files"),
                    "link_key_file": stored["link_key_file"],
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
        self._migrated.add(service)


def _passwords(service: str) -> Passwords:
    """Name the roles' passwords: roles are shared by all databases of a server."""
    return Passwords(owner=f"owner-of-{service}", app=f"app-of-{service}")


def _decoded(values: dict[str, str]) -> dict[str, object]:
    """Read the lists and mappings among them, as the environment's settings do."""
    return {
        name: json.loads(value) if value.startswith(("[", "{")) else value
        for name, value in values.items()
    }


def _moved(url: str, port: int, to: int) -> str:
    """Return a URL of loopback with another port."""
    return url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{to}")
