"""Two people whose addresses look alike, over HTTP and by their mails."""

import time
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from uuid import uuid4

import httpx
import pytest

from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tests.conftest import Person

FORGOT, LOGIN, SIGNUP = "/api/auth/password/forgot", "/api/auth/login", "/api/auth/signup"
WITHIN_SECONDS = 20.0


@pytest.fixture
def client(whole_system: System) -> Iterator[httpx.Client]:
    origin = {"Origin": whole_system.url}
    with httpx.Client(base_url=whole_system.url, headers=origin) as client:
        yield client


def reset_recipients(reader: Person, name: str) -> list[str]:
    """Return where mails for a new password were delivered, of addresses with this name."""
    items = reader.send("GET", "/api/dev/mailbox")["items"]
    resets = [parseaddr(mail["to"])[1] for mail in items if "new password" in mail["subject"]]
    return [address for address in resets if address.startswith(name)]


def test_a_reset_goes_to_the_person_whose_address_was_typed(
    client: httpx.Client, new_person: Callable[[], Person]
) -> None:
    name, reader = uuid4().hex, new_person()
    sharp, double = f"{name}@straße.example", f"{name}@strasse.example"
    ids = {}
    for email in (sharp, double):
        account = {"email": email, "password": PASSWORD, "name": "Ada"}
        ids[email] = client.post(SIGNUP, json=account).json()["user"]["id"]
    assert ids[sharp] != ids[double]
    assert client.post(FORGOT, json={"email": sharp}).is_success
    deadline = time.monotonic() + WITHIN_SECONDS
    while not (recipients := reset_recipients(reader, name)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert recipients == [f"{name}@xn--strae-oqa.example"]
    for email in (sharp, double):
        reply = client.post(LOGIN, json={"email": email, "password": PASSWORD})
        assert reply.json()["user"]["id"] == ids[email]
