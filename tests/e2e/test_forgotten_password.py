"""A forgotten password: from the question to the log-in, by the mail alone."""

import re
from collections.abc import Callable

from tests.conftest import Person
from tests.e2e.test_mail import mails, wait_for_mails

NEW = "tsunami kettle pelican"


def test_a_mailed_link_gives_a_new_password(new_person: Callable[[], Person]) -> None:
    person = new_person()
    wait_for_mails(person, 1)  # the welcome
    person.send("POST", "/api/auth/password/forgot", json={"email": person.email})
    wait_for_mails(person, 2)
    (mail,) = (mail for mail in mails(person) if "new password" in mail["subject"])
    link = re.search(r"/reset-password#(\S+)", mail["text"])
    assert link is not None
    reset = {"token": link[1], "new_password": NEW}
    person.send("POST", "/api/auth/password/reset", json=reset)
    again = person.client.post("/api/auth/password/reset", json=reset)
    assert (again.status_code, again.json()["code"]) == (409, "link_spent")
    credentials = {"email": person.email, "password": NEW}
    assert person.send("POST", "/api/auth/login", json=credentials)["user"]["email"] == person.email
    wait_for_mails(person, 3)
    assert any("password was changed" in mail["subject"] for mail in mails(person))
