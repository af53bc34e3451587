import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tenon_db.roles import app_role
from tenon_embedded.mailsink import MailSink
from tenon_embedded.ports import free_port
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.valkey import ValkeyServer

TOY = Path(__file__).with_name("toy_service.py")
PACKAGES = ("auth", "tenancy", "reports", "notifications", "gateway")

# The toys have a __main__ of their own, and all other modules of the package that they stand for.
EXTENDED = "from pkgutil import extend_path\n\n__path__ = extend_path(__path__, __name__)\n"

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def eventually() -> Eventually:
    """Waits, at most 30 seconds, until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "the condition did not come true"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that stand in for the services: same commands, same settings."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toy_service.py").write_text(TOY.read_text())
    for name in PACKAGES:
        package = folder / f"tenon_{name}"
        package.mkdir()
        (package / "__init__.py").write_text(EXTENDED)
        main = f"import toy_service\ntoy_service.main('tenon_{name}')\n"
        (package / "__main__.py").write_text(main)
    return folder


@dataclass
class Launcher:
    """The `tenon` command on a data directory and a port of its own, with toy services."""

    data: Path
    toys: Path
    port: int = field(default_factory=free_port)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", f"--port={self.port}", **environment)

    def command(self, *arguments: str) -> list[str]:
        command, *rest = arguments
        launcher = [sys.executable, "-m", "tenon_launcher", command]
        return [*launcher, f"--data-dir={self.data}", *rest]

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join([str(self.toys), *sys.path])
        return {**os.environ, "PYTHONPATH": path, **extra}

    def in_foreground(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command("up", f"--port={self.port}"), env=self.environment({}))

    def phase(self) -> str | None:
        try:
            return str(self.state()["phase"])
        except FileNotFoundError:
            return None

    def database_url(self, service: str) -> str:
        """Of the service's application role."""
        role = app_role(service)
        password = (self.data / "secrets" / f"{role}.password").read_text()
        return f"postgresql://{role}:{password}@127.0.0.1:{self.server_port('postgres')}/tenon"

    def server_urls(self) -> dict[str, str]:
        """Settings that let another system use this one's servers."""
        postgres = PostgresServer(self.data / "postgres", self.server_port("postgres"))
        valkey = ValkeyServer(self.data / "valkey", self.server_port("valkey"))
        mail = MailSink(self.data / "mail", self.server_port("mailsink"))
        return {
            "TENON_DATABASE_URL": postgres.url(),
            "TENON_REDIS_URL": valkey.url(),
            "TENON_SMTP_URL": mail.url,
        }

    def server_port(self, name: str) -> int:
        ports = {process["name"]: process["port"] for process in self.state()["processes"]}
        return int(ports[name])

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / "state.json").read_text())
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def processes(self) -> dict[str, dict[str, Any]]:
        return {process["name"]: process for process in self.status()["processes"]}

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        supervisor = psutil.Process(self.state()["supervisor_pid"])
        return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, toys: Path) -> Iterator[Launcher]:
    """A running system that tests share, who only look at it."""
    made = Launcher(tmp_path_factory.mktemp("running") / "data", toys)
    started = made.up(TENON_GATEWAY_RATE_LIMIT_MODE="shadow")
    assert started.returncode == 0, started.stdout
    yield made
    made.run("down")


@pytest.fixture
def launcher(tmp_path: Path, toys: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path / "data", toys)
    yield made
    made.run("down")
