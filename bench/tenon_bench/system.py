"""The system under measurement: as shipped, in a folder of its own, with limits in shadow mode."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from tenon_embedded.postgres import PostgresServer

PID_FILE_PORT_LINE = 3
PASSWORD = "correct horse battery staple"  # noqa: S105 # of nobody


@dataclass(frozen=True)
class SystemUnderTest:
    """A running system and somebody who is logged in to it."""

    url: str
    data_dir: Path
    client: httpx.Client

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())

    def database_url(self) -> str:
        """Return the embedded PostgreSQL's own database, as its superuser, for baselines."""
        pid_file = self.data_dir / "postgres" / "data" / "postmaster.pid"
        port = int(pid_file.read_text().splitlines()[PID_FILE_PORT_LINE])
        return PostgresServer(self.data_dir / "postgres", port).url()

    def post(self, path: str, body: object) -> dict[str, object]:
        reply = self.client.post(path, json=body)
        reply.raise_for_status()
        answer: dict[str, object] = reply.json()
        return answer


@contextmanager
def running_system() -> Iterator[SystemUnderTest]:
    """Start a system, sign somebody up, and take everything away afterwards."""
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as directory:
        data_dir = Path(directory) / "data"
        _tenon("up", "--detach", "--port", "0", data_dir=data_dir)
        try:
            url = json.loads(_tenon("status", "--json", data_dir=data_dir))["url"]
            with httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as client:
                body = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "name": "Bench"}
                client.post("/api/auth/signup", json=body).raise_for_status()
                yield SystemUnderTest(url, data_dir, client)
        finally:
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
