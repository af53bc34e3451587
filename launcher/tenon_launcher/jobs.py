"""`tenon jobs`: the operator's commands of tenon_jobs, on the databases of a running system."""

import os
from collections.abc import Mapping, Sequence

from tenon_embedded.postgres import PostgresServer
from tenon_jobs.command import jobs
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.database_roles import Role, role_url
from tenon_launcher.errors import LauncherError
from tenon_launcher.plan import SERVICES
from tenon_launcher.state import RunState


def run(data: DataDirectory, arguments: Sequence[str]) -> None:
    """Do what the arguments say; raises LauncherError if nothing runs."""
    asks_for_help = not arguments or "--help" in arguments
    urls = {} if asks_for_help else database_urls(data)
    jobs.main(list(arguments), prog_name="tenon jobs", obj=urls, standalone_mode=False)


def database_urls(data: DataDirectory) -> Mapping[str, str]:
    """The database of each service, as its application role."""
    running = RunState.load(data.state)
    if running is None:
        raise LauncherError(f"Nothing runs on {data.path}. Start it with `./tenon up`.")
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
