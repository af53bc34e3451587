"""The links of mails, followed to the built-in pages, whose forms are sent as the script does."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import wait_until
from tests.conftest import Person

NEW_PASSWORD = "an even longer horse battery staple"  # of a test account


def link_to(person: Person, address: str, page: str) -> tuple[str, str]:
    """Wait for a mail with a link to a page, and return the path and what is behind its #."""

    def find() -> "re.Match[str] | None":
        mails = person.client.get("/api/dev/mailbox").json()["items"]
        texts = [mail["text"] for mail in mails if address in mail["to"]]
        found = (re.search(rf"https?://[^/]+({page})#(\S+)", text) for text in texts)
        return next((match for match in found if match), None)

    match = wait_until(find, within=60)
    assert match is not None
    return match[1], match[2]


def submit(
    client: httpx.Client, link: tuple[str, str], form: str = "main", **fields: str
) -> httpx.Response:
    """Open a page, and send one of its forms."""
    path, fragment = link
    page = client.get(path)
    assert page.status_code == 200
    found = re.search(
        rf'<form id="{form}" method="post" data-route="(.*?)" data-token="(.*?)"', page.text
    )
    assert found is not None
    inputs = re.findall(r'name="(\w+)"', page.text)
    assert set(fields) <= set(inputs)
    token = {found[2]: fragment} if found[2] else {}
    return client.post(found[1], json={**token, **fields})


def mail_about(person: Person, text: str) -> str:
    """Wait for a mail to a user that contains a text, and return its words."""

    def find() -> str | None:
        mails = person.client.get("/api/dev/mailbox").json()["items"]
        texts = (mail["text"] for mail in mails if person.email in mail["to"])
        return next((found for found in texts if text in found), None)

    found = wait_until(find, within=60)
    assert found is not None
    return found


def user(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.send("GET", "/api/auth/session")["user"]
    return found


def verify(person: Person) -> None:
    link = link_to(person, person.email, "/verify-email")
    assert submit(person.client, link).is_success


def test_the_link_to_verify_an_address(new_person: Callable[[], Person]) -> None:
    person = new_person()
    verify(person)
    assert user(person)["email_verified"] is True


def test_the_link_to_choose_a_new_password(new_person: Callable[[], Person]) -> None:
    person = new_person()
    person.send("POST", "/api/auth/password/forgot", json={"email": person.email})
    link = link_to(person, person.email, "/reset-password")
    assert submit(person.client, link, new_password=NEW_PASSWORD).is_success
    credentials = {"email": person.email, "password": NEW_PASSWORD}
    assert submit(person.client, ("/login", ""), **credentials).is_success


def test_the_link_to_accept_an_invitation(
    new_person: Callable[[], Person], whole_system: System
) -> None:
    person, invited = new_person(), f"{uuid4()}@example.com"
    verify(person)
    invitation = {"email": invited, "role": "member"}
    person.send("POST", f"{person.org}/invitations", json=invitation)
    link = link_to(person, invited, "/accept-invitation")
    url = whole_system.url
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        assert submit(client, link).status_code == 401
        account = {"name": "Bo", "email": invited, "password": PASSWORD}
        assert submit(client, link, "signup", **account).is_success
        assert submit(client, link).is_success
        orgs = client.get("/api/auth/session").json()["orgs"]
    assert [org["id"] for org in orgs] == [person.org_id]


def test_the_links_to_change_an_address_and_to_undo_it(new_person: Callable[[], Person]) -> None:
    person, new = new_person(), f"{uuid4()}@example.com"
    verify(person)
    person.send("POST", "/api/auth/email/change", json={"email": new})
    assert submit(person.client, link_to(person, new, "/change-email")).is_success
    assert user(person)["email"] == new
    undo = link_to(person, person.email, "/undo-email-change")
    assert submit(person.client, undo).is_success
    assert link_to(person, person.email, "/reset-password")


def test_the_mail_about_an_api_key_leads_to_where_it_is_revoked(
    new_person: Callable[[], Person],
) -> None:
    person = new_person()
    key = person.send("POST", f"{person.org}/api-keys", json={"name": "Nightly", "role": "member"})
    mail = mail_about(person, key["id"])
    assert "Ada created an API key in Acme." in mail
    assert "/settings" in mail
    assert person.client.get("/settings").status_code == 200
    (listed,) = person.send("GET", f"{person.org}/api-keys?page_size=100")["items"]
    person.send("DELETE", f"{person.org}/api-keys/{listed['id']}")
    assert person.send("GET", f"{person.org}/api-keys")["items"] == []
