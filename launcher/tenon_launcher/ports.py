"""Whether the gateway can have its port, and if not, who has it."""

import errno
import shlex
from contextlib import suppress

import psutil

from tenon_embedded.ports import is_free, refusal
from tenon_launcher.errors import UnusablePort

FIRST_UNPRIVILEGED_PORT = 1024
LAST_PORT = 65535
NEIGHBOURS = 100


def check_port(port: int) -> None:
    """Raises UnusablePort, which names another one."""
    refused = refusal(port)
    if refused == errno.EACCES:
        raise UnusablePort(
            f"Port {port} is for root alone. Name one from {FIRST_UNPRIVILEGED_PORT} on: "
            f"--port {free_neighbour(8000)}"
        )
    if refused is not None:
        raise UnusablePort(
            f"Port {port} is taken by {holder(port)}, or name another port: "
            f"--port {free_neighbour(port)}"
        )


def holder(port: int) -> str:
    """Who has the port, as far as we may know, and how it is ended."""
    process = listener(port)
    if process is None:
        return "another program. End it"
    with suppress(psutil.Error):
        if "tenon_gateway" in process.cmdline():
            data = shlex.quote(process.cwd())
            return f"the Tenon of {data}. Stop it with `./tenon down --data-dir {data}`"
        return f"{process.name()} (process {process.pid}). End it"
    return f"process {process.pid}. End it"


def listener(port: int) -> psutil.Process | None:
    """The process that listens on the port, if this user may see it."""
    with suppress(psutil.Error, OSError):  # macOS shows connections to root alone
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and getattr(connection.laddr, "port", 0) == port and connection.pid:
                return psutil.Process(connection.pid)
    return None


def free_neighbour(port: int) -> int:
    """The next port that is free, or the one after ours if none is near."""
    near = range(port + 1, min(port + NEIGHBOURS, LAST_PORT + 1))
    below = range(port - 1, max(port - NEIGHBOURS, FIRST_UNPRIVILEGED_PORT), -1)
    return next((other for other in (*near, *below) if is_free(other)), port + 1)
