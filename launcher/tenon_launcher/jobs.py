"""The databases of a running system, which `tenon jobs` works on."""

import os
from collections.abc import Mapping

from tenon_embedded.postgres import PostgresServer
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.database_roles import Role, role_url
from tenon_launcher.errors import LauncherError
from tenon_launcher.operators import nothing_runs
from tenon_launcher.plan import SERVICES
from tenon_launcher.state import RunState


def database_urls(data: DataDirectory) -> Mapping[str, str]:
    """The database of each service, as its application role. LauncherError if nothing runs."""
    running = RunState.load(data.state)
    if running is None:
        raise nothing_runs(data)
    admin_url = server_url(data, running)
    return {service: role_url(data, admin_url, Role(service, "app")) for service in SERVICES}


def server_url(data: DataDirectory, running: RunState) -> str:
    """The embedded server's on its port of this run, or the user's own."""
    for process in running.processes:
        if process.name == PostgresServer.name:
            return PostgresServer(data.postgres, process.port).url()
    if url := os.environ.get("TENON_DATABASE_URL"):
        return url
    raise LauncherError(
        "This system's database is a server of yours: set TENON_DATABASE_URL as for `./tenon up`."
    )
