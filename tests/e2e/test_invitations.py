"""From an invitation by its mail to a member, where sign-up is closed to all others: over HTTP."""

import re
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tenon_testing.callers import PASSWORD
from tenon_testing.servers import Servers
from tenon_testing.service_process import environment
from tenon_testing.system import System
from tenon_testing.waiting import wait_until


@pytest.fixture(scope="module")
def system(servers: Servers) -> Iterator[System]:
    """A system of its own, that nobody else may sign up to."""
    own = System(servers, f"test_{uuid4().hex}")
    own.choose("auth", sign_up="closed")
    for service in ("auth", "tenancy", "notifications", "gateway"):
        own.start(service)
    own.start("notifications", "worker")
    yield own
    own.stop()


def log_in_first(system: System, client: httpx.Client) -> None:
    """Make the first account, as an operator does, and log it in."""
    email = f"{uuid4()}@example.com"
    words = ("users", "create", email, "--name", "Ada", "--password-stdin")
    subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-m", "tenon_auth", *words],
        env=environment("auth", system.values("auth")),
        input=PASSWORD,
        text=True,
        check=True,
    )
    reply = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    assert reply.status_code == 200


def signed_up(client: httpx.Client, **fields: str) -> httpx.Response:
    account = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "name": "Ada", **fields}
    return client.post("/api/auth/signup", json=account)


def mailed(client: httpx.Client, email: str) -> str:
    """Wait for the mail, and return the token of its link."""

    def link() -> "re.Match[str] | None":
        mails = client.get("/api/dev/mailbox").json()["items"]
        texts = [mail["text"] for mail in mails if email in mail["to"]]
        return re.search(r"/accept-invitation#(\S+)", "\n".join(texts))

    found = wait_until(link, within=30)
    assert found is not None
    return found[1]


def test_an_invitation_opens_what_is_closed(system: System) -> None:
    url = system.url
    with (
        httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as owner,
        httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as ada,
    ):
        log_in_first(system, owner)
        org = owner.post("/api/orgs", json={"name": "Acme"}).json()["id"]
        email = f"{uuid4()}@example.com"
        wish = {"email": email, "role": "admin"}
        made = owner.post(f"/api/orgs/{org}/invitations", json=wish)
        assert (made.status_code, made.json()["email"]) == (201, email)
        assert "token" not in made.text
        again = owner.post(f"/api/orgs/{org}/invitations", json=wish)
        assert (again.status_code, again.json()["code"]) == (409, "already_invited")

        token = {"token": mailed(ada, email)}
        shown = ada.post("/api/invitations:preview", json=token).json()
        assert (shown["organization_name"], shown["role"]) == ("Acme", "admin")
        assert signed_up(ada, email=email).json()["code"] == "sign_up_closed"
        assert signed_up(ada, email=email, invitation_token=token["token"]).status_code == 201
        assert ada.get("/api/auth/session").json()["user"]["email_verified"]
        accepted = ada.post("/api/invitations:accept", json=token)
        assert (accepted.status_code, accepted.json()) == (200, {"org_id": org, "role": "admin"})
        (listed,) = ada.get("/api/auth/session").json()["orgs"]
        assert (listed["id"], listed["role"]) == (org, "admin")
        assert owner.get(f"/api/orgs/{org}/invitations").json()["items"] == []
        assert ada.post(f"/api/orgs/{org}:leave", json={}).status_code == 204
        assert ada.get("/api/auth/session").json()["orgs"] == []
