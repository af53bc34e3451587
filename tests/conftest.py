"""A whole system, started once for the tests across services, and people who use it over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenon_testing.callers import PASSWORD
from tenon_testing.system import System

FLIGHTS = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def whole_system(system: System) -> System:
    """Every service, every worker and the gateway."""
    system.start_all()
    return system


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in over HTTP and owns an organization."""

    client: httpx.Client
    user_id: str
    email: str
    org_id: str

    @property
    def org(self) -> str:
        """The path that everything of their organization is under."""
        return f"/api/orgs/{self.org_id}"

    def send(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request that must succeed, and return its body. As a front end does, refresh an
        access token that has expired.
        """
        reply = self.client.request(method, path, **arguments)
        if reply.status_code == httpx.codes.UNAUTHORIZED and self._refresh():
            reply = self.client.request(method, path, **arguments)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def _refresh(self) -> bool:
        return self.client.post("/api/auth/refresh").is_success


@pytest.fixture(scope="session")
def new_person(
    whole_system: System, new_unverified_person: Callable[[], Person]
) -> Callable[[], Person]:
    """Sign up a user with a verified address and a new organization."""

    def sign_up() -> Person:
        person = new_unverified_person()
        whole_system.verify_email(person.user_id)
        return person

    return sign_up


@pytest.fixture(scope="session")
def new_unverified_person(whole_system: System) -> Iterator[Callable[[], Person]]:
    """Sign up a user who has not proved their address yet, with a new organization."""
    clients: list[httpx.Client] = []

    def sign_up() -> Person:
        client = httpx.Client(
            base_url=whole_system.url, headers={"Origin": whole_system.url}, timeout=60
        )
        clients.append(client)
        email = f"{uuid4()}@example.com"
        account = {"email": email, "password": PASSWORD, "name": "Ada"}
        signed_up = client.post("/api/auth/signup", json=account)
        assert signed_up.status_code == 201, signed_up.text
        org = client.post("/api/orgs", json={"name": "Acme"})
        assert org.status_code == 201, org.text
        user_id = signed_up.json()["user"]["id"]
        return Person(client, user_id, email, org.json()["id"])

    yield sign_up
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def flights() -> Path:
    """The folder with the real data set and its independent answers."""
    if not FLIGHTS.exists():
        pytest.skip("the flights data set is not beside the repository")
    return FLIGHTS
