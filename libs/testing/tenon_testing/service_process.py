"""One process of ours beside the test."""

import signal
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tenon_core.shared_settings import SHARED_FIELDS, SHARED_PREFIX
from tenon_embedded.command import Command, Stop
from tenon_embedded.server import Server, inherited_environment

STOPS = (Stop(signal.SIGTERM, 60.0),)
"""As long as draining may take where many tests share a machine."""


class ServiceProcess(Server):
    """A process of ours: `python -m tenon_<service> <verb>`, or run by another module."""

    def __init__(
        self,
        directory: Path,
        service: str,
        verb: str,
        values: dict[str, str],
        *,
        module: str = "",
        runner: Sequence[str] = (),
    ) -> None:
        self.name = f"{service}-{verb}"
        super().__init__(directory, port_of(values["operations_listen"]))
        self.listen_port = port_of(values["listen"])
        module = module or f"tenon_{service}"
        self._command = Command(
            (sys.executable, "-m", *runner, module, verb), environment(service, values)
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


def environment(service: str, values: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process: nothing of ours but its own settings."""
    named = {f"{_prefix(service, name)}{name.upper()}": value for name, value in values.items()}
    return {**inherited_environment(), **named}


def _prefix(service: str, name: str) -> str:
    return SHARED_PREFIX if name in SHARED_FIELDS else f"{SHARED_PREFIX}{service.upper()}_"


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
