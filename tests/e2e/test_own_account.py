"""One's own account over HTTP: a name, a copy of all that is known, the end."""

from collections.abc import Callable

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
