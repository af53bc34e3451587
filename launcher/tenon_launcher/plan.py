"""Which processes make a system, and with which settings. Nothing here does anything."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formataddr
from functools import partial
from signal import SIGTERM

from tenon_core.shared_settings import SHARED_FIELDS, SHARED_PREFIX
from tenon_embedded.certificate import Certificate
from tenon_embedded.command import Command, Stop
from tenon_embedded.server import Server, inherited_environment
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.database_roles import Role, role_url
from tenon_launcher.readiness import Probe, answers_ready

SERVICES = ("auth", "tenancy", "reports", "notifications")
WORKERS = tuple(f"{service}-worker" for service in SERVICES)
ADMIN_URL = "TENON_LAUNCHER_ADMIN_URL"
SHARED = tuple(f"{SHARED_PREFIX}{field.upper()}" for field in SHARED_FIELDS)
SAYS_WHAT_TO_DO = 78  # the exit code of a command of ours whose last words are all there is to say
PROCESSES = (*SERVICES, *WORKERS, "gateway")

# A little longer than a process gives its own calls in flight.
STOPS = (Stop(SIGTERM, 12.0),)


@dataclass(frozen=True)
class Program:
    """A process that is to run: how it is started, and how it is asked whether it is ready."""

    name: str
    command: Command
    port: int
    is_ready: Probe


@dataclass(frozen=True)
class System:
    """All that the settings of the processes are made from."""

    data: DataDirectory
    url: str
    port: int
    admin_url: str  # of the database server
    redis_url: str
    smtp_url: str
    rpc_ports: Mapping[str, int]  # by service
    operations_ports: Mapping[str, int]  # by process
    environment: Mapping[str, str]  # what every process needs of the launcher's own
    overrides: Mapping[str, str] = field(default_factory=dict)  # TENON_… as the user set them
    keeps_mail: bool = True


def group_title(names: Sequence[str]) -> str:
    """What processes that start and stop together are called."""
    return "workers" if set(names) == set(WORKERS) else ", ".join(names)


def server_program(server: Server) -> Program:
    return Program(server.name, server.command(), server.port, server.is_ready)


def foundation(system: System) -> Command:
    """Ends by itself. The URL holds a password, and arguments are for all to see."""
    arguments = (sys.executable, "-P", "-m", "tenon_launcher.foundation", str(system.data.path))
    environment = {**system.environment, ADMIN_URL: system.admin_url}
    return Command(arguments, environment, system.data.path, STOPS)


def own_servers(system: System) -> Command:
    """Tests the servers that the user named; ends by itself."""
    arguments = (sys.executable, "-P", "-m", "tenon_launcher.own_servers")
    return Command(arguments, {**system.environment, **system.overrides}, system.data.path, STOPS)


def preflight(data: DataDirectory, settings: Mapping[str, str]) -> Command:
    """Tests what the user set, and the secrets that are there; ends by itself."""
    arguments = (sys.executable, "-P", "-m", "tenon_launcher.preflight", str(data.path))
    return Command(arguments, {**inherited_environment(), **settings}, data.path, STOPS)


def services(system: System) -> list[Program]:
    return [program(system, service, module(system, service, "serve")) for service in SERVICES]


def workers(system: System) -> list[Program]:
    return [
        program(system, worker, module(system, worker.removesuffix("-worker"), "worker", worker))
        for worker in WORKERS
    ]


def gateway(system: System) -> Program:
    return program(system, "gateway", module(system, "gateway", "serve"))


def program(system: System, process: str, command: Command) -> Program:
    port = system.operations_ports[process]
    return Program(process, command, port, partial(answers_ready, port))


def module(system: System, package: str, verb: str, process: str = "") -> Command:
    """`python -m tenon_<package> <verb>`, with the settings of `process`."""
    arguments = (sys.executable, "-P", "-m", f"tenon_{package}", verb)
    settings = gateway_settings if package == "gateway" else service_settings
    prefix = f"TENON_{package.upper()}_"
    named = {
        f"{prefix}{name}": value
        for name, value in settings(system, package, process or package).items()
    }
    named |= {"TENON_PUBLIC_URL": system.url}
    return Command(
        arguments,
        {**system.environment, **named, **chosen(system, prefix)},
        system.data.path,
        STOPS,
    )


def chosen(system: System, prefix: str) -> dict[str, str]:
    """What the user set for the processes with a prefix, and for all of them."""
    return {
        name: value
        for name, value in system.overrides.items()
        if name.startswith(prefix) or name in SHARED
    }


def process_settings(system: System, process: str) -> dict[str, str]:
    certificate = Certificate.within(system.data.certificates, process)
    peers = {service: f"127.0.0.1:{port}" for service, port in system.rpc_ports.items()}
    return {
        "ENVIRONMENT": "development",
        "OPERATIONS_LISTEN": f"127.0.0.1:{system.operations_ports[process]}",
        "TLS_CA": str(certificate.ca),
        "TLS_CERT": str(certificate.cert),
        "TLS_KEY": str(certificate.key),
        "REDIS_URL": system.redis_url,
        "PEERS": json.dumps(peers),
    }


def service_settings(system: System, service: str, process: str) -> dict[str, str]:
    return {
        **process_settings(system, process),
        "LISTEN": f"127.0.0.1:{system.rpc_ports[service]}",
        "DATABASE_URL": role_url(system.data, system.admin_url, Role(service, "app")),
        **own_settings(system, service),
    }


def own_settings(system: System, service: str) -> dict[str, str]:
    """What only this one service has."""
    match service:
        case "auth":
            return {
                "SIGNING_KEYS_DIRECTORY": str(system.data.signing_keys),
                "KEYRING_URL": system.data.keyring.as_uri(),
            }
        case "tenancy":
            return {
                "KEYRING_URL": system.data.tenancy_keyring.as_uri(),
                "CHECKPOINT_KEYS_DIRECTORY": str(system.data.checkpoint_keys),
                "CHECKPOINT_URL": system.data.checkpoints.as_uri(),
                "STORAGE_URL": system.data.files.as_uri(),
                "LINK_KEY_FILE": str(system.data.link_key),
            }
        case "reports":
            return {
                "STORAGE_URL": system.data.files.as_uri(),
                "LINK_KEY_FILE": str(system.data.link_key),
            }
        case "notifications":
            name = system.overrides.get("TENON_PRODUCT_NAME", "Tenon")
            sender = formataddr((name, "no-reply@tenon.test"))
            return {"SMTP_URL": system.smtp_url, "MAIL_FROM": sender}
        case _:
            return {}


def gateway_settings(system: System, _package: str, process: str) -> dict[str, str]:
    mailbox = {"MAILBOX_DIRECTORY": str(system.data.mail / "maildir")} if system.keeps_mail else {}
    return {
        **process_settings(system, process),
        "LISTEN": f"127.0.0.1:{system.port}",
        "STORAGE_DIRECTORY": str(system.data.files),
        "LINK_KEY_FILE": str(system.data.link_key),
        "ADDRESS_KEY_FILE": str(system.data.address_key),
        **mailbox,
    }
