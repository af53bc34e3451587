"""The system under measurement: as shipped, in a folder of its own, with limits in shadow mode."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tenon_bench.session import Session, browser, sign_up
from tenon_embedded.postgres import PostgresServer

PID_FILE_PORT_LINE = 3
MB = 1_000_000
KIB = 1_024
POLL_SECONDS = 0.02
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class SystemUnderTest:
    """A running system and the session of a user."""

    url: str
    data_dir: Path
    session: Session

    @property
    def client(self) -> httpx.Client:
        """The client of the user, with an access token that is valid for a while."""
        return self.session.client()

    @property
    def cookie(self) -> str:
        """The cookies of the user, with a new access token: a load cannot refresh it."""
        return self.session.cookie()

    def database_url(self) -> str:
        """Return the embedded PostgreSQL's own database, as its superuser, for baselines."""
        return self._postgres().url()

    def tenon_database_url(self) -> str:
        """Return the system's database, as the superuser, to look at what it stores."""
        return self._postgres().url("tenon")

    def post(self, path: str, body: object) -> dict[str, Any]:
        reply = self.client.post(path, json=body)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer

    def ended(self, path: str, within: float = 900.0) -> dict[str, Any]:
        """Wait until an upload or a run succeeded, and return it."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.client.get(path).raise_for_status().json()
            if found["state"] in ENDED:
                assert found["state"] == "succeeded", found
                return found
            time.sleep(POLL_SECONDS)
        message = f"{path} did not end within {within:.0f} s"
        raise TimeoutError(message)

    def processes(self) -> list[psutil.Process]:
        """Return the launcher and everything that it started."""
        one = psutil.Process(next(iter(self._pids().values())))
        launcher = [up for up in one.parents() if f"--data-dir={self.data_dir}" in up.cmdline()][-1]
        return [launcher, *launcher.children(recursive=True)]

    def memory_mb(self) -> float:
        """Return the memory of all processes in millions of bytes, each page counted once (PSS)."""
        pss: int = sum(process.memory_full_info().pss for process in self.processes())
        return pss / MB

    def peak_mb(self, name: str) -> float:
        """Return the most memory that one process ever had, in millions of bytes."""
        status = Path(f"/proc/{self._pids()[name]}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * KIB / MB

    def environment(self, name: str) -> dict[str, str]:
        """Return what a process was started with, its settings among that."""
        return psutil.Process(self._pids()[name]).environ()

    def _pids(self) -> dict[str, int]:
        status = json.loads(_tenon("status", "--json", data_dir=self.data_dir))
        return {process["name"]: process["pid"] for process in status["processes"]}

    def _postgres(self) -> PostgresServer:
        pid_file = self.data_dir / "postgres" / "data" / "postmaster.pid"
        port = int(pid_file.read_text().splitlines()[PID_FILE_PORT_LINE])
        return PostgresServer(self.data_dir / "postgres", port)


@contextmanager
def running_system() -> Iterator[SystemUnderTest]:
    """Start a system, sign somebody up, and take everything away afterwards."""
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as directory:
        data_dir = Path(directory) / "data"
        start(data_dir)
        try:
            url = json.loads(_tenon("status", "--json", data_dir=data_dir))["url"]
            with browser(url) as client:
                sign_up(client)
                yield SystemUnderTest(url, data_dir, Session(client))
        finally:
            stop(data_dir)


def start(data_dir: Path) -> None:
    """Run `tenon up` until everything is ready."""
    _tenon("up", "--detach", "--port", "0", data_dir=data_dir)


def stop(data_dir: Path) -> None:
    _tenon("down", data_dir=data_dir)


def _tenon(*arguments: str, data_dir: Path) -> str:
    finished = subprocess.run(  # our own command
        [sys.executable, "-m", "tenon_launcher", *arguments, "--data-dir", str(data_dir)],
        env={**os.environ, "TENON_GATEWAY_RATE_LIMIT_MODE": "shadow"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return finished.stdout
