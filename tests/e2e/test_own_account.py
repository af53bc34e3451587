"""One's own account over HTTP: a name, an address, a copy of all that is known, the end."""

import re
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from tenon_testing.waiting import wait_until
from tests.conftest import Person
from tests.e2e.test_mail import mails, wait_for_mails


def test_a_name_is_seen_at_once(new_person: Callable[[], Person]) -> None:
    """Whatever was cached before."""
    person = new_person()
    assert person.send("GET", "/api/auth/session")["user"]["name"] == "Ada"
    assert person.send("PATCH", "/api/auth/user", json={"name": "Grace"})["name"] == "Grace"
    assert person.send("GET", "/api/auth/session")["user"]["name"] == "Grace"


def test_a_copy_of_ones_data_is_downloaded(new_person: Callable[[], Person]) -> None:
    person = new_person()
    export = person.send("POST", "/api/auth/user/export", json={})
    path = f"/api/auth/user/exports/{export['id']}"

    def state() -> str:
        return str(person.send("GET", path)["state"])

    assert export["state"] == "queued"
    wait_until(lambda: state() == "succeeded", within=60)
    reply = person.client.get(f"{path}/file")
    assert reply.headers["content-type"] == "application/json"
    assert "personal-data.json" in reply.headers["content-disposition"]
    held = reply.json()["services"]
    assert held["auth"]["accounts"][0]["email"] == person.email
    assert held["tenancy"]["memberships"] == [{"org_id": person.org_id, "role": "owner"}]


def test_the_last_owner_of_an_organization_stays(new_person: Callable[[], Person]) -> None:
    person = new_person()
    refused = person.client.delete("/api/auth/user")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    wait_for_mails(person, 1)
    assert not [mail for mail in mails(person) if "erased" in mail["subject"]]
    assert person.send("GET", "/api/auth/session")["user"]["email"] == person.email


def test_an_address_is_changed_by_the_mail_to_the_new_one(
    new_person: Callable[[], Person],
) -> None:
    person, new = new_person(), f"{uuid4()}@example.com"
    person.send("POST", "/api/auth/email/change", json={"email": new})
    there = replace(person, email=new)
    wait_for_mails(there, 1)
    (mail,) = mails(there)
    link = re.search(r"/change-email#(\S+)", mail["text"])
    assert link is not None
    confirm = {"token": link[1]}
    changed = person.send("POST", "/api/auth/email/change/confirm", json=confirm)
    assert (changed["user"]["email"], changed["user"]["email_verified"]) == (new, True)
    assert person.send("GET", "/api/auth/session")["user"]["email"] == new
    again = person.client.post("/api/auth/email/change/confirm", json=confirm)
    assert (again.status_code, again.json()["code"]) == (409, "link_spent")
    undo = person.client.post("/api/auth/email/change/undo", json=confirm)
    assert (undo.status_code, undo.json()["code"]) == (409, "link_spent")
