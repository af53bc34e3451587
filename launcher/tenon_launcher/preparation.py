import os
from collections.abc import Mapping

from tenon_embedded.ports import free_port
from tenon_embedded.server import inherited_environment
from tenon_launcher.backing import Backing
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.plan import PROCESSES, SERVICES, System


def public_url(port: int) -> str:
    return f"http://localhost:{port}"


def prepare(data: DataDirectory, port: int, backing: Backing) -> System:
    """Give out ports, and gather what the processes are told."""
    return System(
        data=data,
        url=public_url(port),
        port=port,
        admin_url=backing.database_url,
        redis_url=backing.redis_url,
        smtp_url=backing.smtp_url,
        rpc_ports={service: free_port() for service in SERVICES},
        operations_ports={process: free_port() for process in PROCESSES},
        environment=inherited_environment() | chosen(os.environ, "OTEL_"),
        overrides=chosen(os.environ, "TENON_"),
        keeps_mail=backing.keeps_mail,
    )


def chosen(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(prefix)}
