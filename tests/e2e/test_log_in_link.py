"""A login link: from the question to the session of another browser, by the mail alone."""

import re
from collections.abc import Callable

import httpx

from tenon_testing.system import System
from tests.conftest import Person
from tests.e2e.test_mail import mails, wait_for_mails


def test_a_mailed_link_logs_in(whole_system: System, new_person: Callable[[], Person]) -> None:
    person = new_person()
    wait_for_mails(person, 1)  # the welcome
    whole_system.verify_email(person.user_id)
    person.send("POST", "/api/auth/login/link", json={"email": person.email})
    wait_for_mails(person, 2)
    (mail,) = (mail for mail in mails(person) if "login link" in mail["subject"])
    link = re.search(r"/login/link#(\S+)", mail["text"])
    assert link is not None
    with httpx.Client(base_url=whole_system.url, headers={"Origin": whole_system.url}) as browser:
        token = {"token": link[1]}
        assert browser.post("/api/auth/login/link/confirm", json=token).status_code == 200
        assert browser.get("/api/auth/session").json()["user"]["id"] == person.user_id
