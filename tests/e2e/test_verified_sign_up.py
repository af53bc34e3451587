"""Signing up where addresses are verified first: through the gateway, by the mail."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tenon_testing.callers import PASSWORD
from tenon_testing.servers import Servers
from tenon_testing.system import System
from tenon_testing.waiting import wait_until


@pytest.fixture(scope="module")
def url(servers: Servers) -> Iterator[str]:
    """The address of a system of its own, that asks for this."""
    system = System(servers, f"test_{uuid4().hex}")
    system.choose("auth", sign_up="verified")
    for service in ("auth", "tenancy", "notifications", "gateway"):
        system.start(service)
    for service in ("auth", "notifications"):
        system.start(service, "worker")
    yield system.url
    system.stop()


def test_the_reply_says_nothing_and_the_mail_makes_the_account(url: str) -> None:
    email = f"{uuid4()}@example.com"
    account = {"email": email, "password": PASSWORD, "name": "Ada"}
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as client:
        for _ in range(2):
            reply = client.post("/api/auth/signup", json=account)
            assert (reply.status_code, reply.json()) == (202, {})
            assert [name.rsplit("_", 1)[0] for name in reply.cookies] == ["tenon_device"]

        def link() -> "re.Match[str] | None":
            mails = client.get("/api/dev/mailbox").json()["items"]
            texts = [mail["text"] for mail in mails if email in mail["to"]]
            return re.search(r"/confirm-sign-up#(\S+)", "\n".join(texts))

        found = wait_until(link, within=30)
        assert found is not None
        reply = client.post("/api/auth/signup/confirm", json={"token": found[1]})
        assert reply.status_code == 200
        session = client.get("/api/auth/session").json()
        assert session["user"]["email"] == email
        assert session["user"]["email_verified"]
