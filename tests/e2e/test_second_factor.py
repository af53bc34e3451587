"""A second factor: from its enrolment to a log-in without the telephone, over HTTP alone."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg

from services.auth.tests.second_factors.enrolled import code_of
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tests.conftest import Person
from tests.e2e.test_mail import mails, wait_for_mails

WRONG = "abcdef"


def refused(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def begin(person: Person) -> dict[str, Any]:
    """Log out, and in again as far as the password goes."""
    person.send("POST", "/api/auth/logout")
    credentials = {"email": person.email, "password": PASSWORD}
    step: dict[str, Any] = person.send("POST", "/api/auth/login", json=credentials)
    assert step["mfa_required"]
    assert person.client.get("/api/auth/session").status_code == 401
    return step


def let_time_pass(system: System, person: Person) -> None:
    """Make codes good that were used lately."""
    with psycopg.connect(system.admin_url(), autocommit=True) as admin:
        admin.execute(
            "UPDATE auth.totp_factors SET last_step = 0 WHERE user_id = %s", [person.user_id]
        )


def test_an_app_and_a_recovery_code(whole_system: System, new_person: Callable[[], Person]) -> None:
    person = new_person()
    secret = person.send("POST", "/api/auth/mfa/totp", json={})["secret"]
    code = {"code": code_of(secret)}
    codes = person.send("POST", "/api/auth/mfa/totp:confirm", json=code)["recovery_codes"]

    step = begin(person)
    finish = {"mfa_token": step["mfa_token"]}
    for wrong in (WRONG, code["code"]):  # one that never was, and one that was used
        reply = person.client.post("/api/auth/login/mfa", json={**finish, "code": wrong})
        assert refused(reply) == (403, "invalid_code")
    right = {**finish, "code": code_of(secret, 1)}
    logged_in = person.send("POST", "/api/auth/login/mfa", json=right)
    assert logged_in["user"]["email"] == person.email
    assert refused(person.client.post("/api/auth/login/mfa", json=right)) == (
        409,
        "mfa_token_spent",
    )

    step = begin(person)
    by_hand = {"mfa_token": step["mfa_token"], "recovery_code": codes[0].upper()}
    person.send("POST", "/api/auth/login/mfa", json=by_hand)
    listed = person.send("GET", "/api/auth/mfa")
    assert [item["kind"] for item in listed["items"]] == ["totp"]
    assert listed["recovery_codes_left"] == 9

    reply = person.client.post("/api/auth/session:confirm", json={"password": PASSWORD})
    assert refused(reply) == (403, "second_factor_required")
    reply = person.client.post("/api/auth/session:confirm", json={"code": right["code"]})
    assert refused(reply) == (403, "invalid_code")
    let_time_pass(whole_system, person)
    session = person.send("GET", "/api/auth/session")["session"]
    reply = person.send("POST", "/api/auth/session:confirm", json={"code": code_of(secret)})
    assert reply["session"]["id"] == session["id"]
    assert reply["session"]["auth_time"] > session["auth_time"]
    person.send("DELETE", "/api/auth/mfa/totp")
    person.send("POST", "/api/auth/logout")
    credentials = {"email": person.email, "password": PASSWORD}
    assert person.send("POST", "/api/auth/login", json=credentials)["session"]


def test_only_a_verified_address_is_told(new_unverified_person: Callable[[], Person]) -> None:
    """Enrolling and removing does not fill a stranger's mailbox."""
    person = new_unverified_person()
    wait_for_mails(person, 1)  # the welcome
    secret = person.send("POST", "/api/auth/mfa/totp", json={})["secret"]
    person.send("POST", "/api/auth/mfa/totp:confirm", json={"code": code_of(secret)})
    person.send("DELETE", "/api/auth/mfa/totp")
    person.send("POST", "/api/auth/password/forgot", json={"email": person.email})
    wait_for_mails(person, 2)
    assert not any("second factor" in mail["subject"] for mail in mails(person))
