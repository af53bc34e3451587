"""A system as `./tenon up` starts it, an organization in it, and the commands that work on it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tenon_testing.callers import PASSWORD


def run(*words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 # our own command
        [sys.executable, "-m", "tenon_launcher", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@dataclass(frozen=True)
class Live:
    """`client` is logged in as the owner of the organization `org_id`."""

    data: Path
    url: str
    client: httpx.Client
    user_id: str
    org_id: str

    def tenon(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return run(*words, "--data-dir", str(self.data), stdin=stdin)

    def output(self, *words: str, stdin: str = "") -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.tenon(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.output(*words, "--json"))

    def send(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request that must succeed, and return its body."""
        reply = self.client.request(method, path, **arguments)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def log_in(self, email: str, password: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/api/auth/login",
            json={"email": email, "password": password},
            headers={"Origin": self.url},
        )

    def new_user(self) -> str:
        """Create an account by the command line, and return its address."""
        email = f"{uuid4()}@example.com"
        self.output("users", "create", email, "--name", "Bo", "--password-stdin", stdin=PASSWORD)
        return email


def sign_up(data: Path, url: str) -> Live:
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=60)
    account = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "name": "Ada"}
    user = client.post("/api/auth/signup", json=account).raise_for_status().json()["user"]
    org = client.post("/api/orgs", json={"name": "Acme"}).raise_for_status().json()
    return Live(data, url, client, user["id"], org["id"])
