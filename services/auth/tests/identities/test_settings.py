"""Providers that are not set as they must be stop the start, and the message holds no secret."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tenon_testing.service_process import environment
from tenon_testing.system import System

SECRET = "a-secret-of-the-client"
GOOD = {
    "name": "acme",
    "title": "Acme",
    "issuer": "https://acme.example",
    "client_id": "tenon",
    "client_secret": SECRET,
}


def check(system: System, providers: str) -> "subprocess.CompletedProcess[str]":
    values = {**system.values("auth"), "oidc_providers": providers}
    return subprocess.run(  # our own module
        [sys.executable, "-m", "tenon_auth", "check"],
        env=environment("auth", values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": "http://acme.example"}, "must be an https URL"),
        ({"issuer": "https://acme.example?a=b"}, "must be an https URL"),
        ({"issuer": "acme.example"}, "must be an https URL"),
        ({"issuer": "https://user:password@acme.example"}, "must be an https URL"),
        ({"issuer": "http://localhost.evil.example"}, "must be an https URL"),
        ({"name": "Acme Corp"}, "oidc_providers.0.name"),
        ({"name": "../acme"}, "oidc_providers.0.name"),
        ({"client_id": ""}, "oidc_providers.0.client_id"),
        ({"client_secret": ""}, "oidc_providers.0.client_secret"),
        ({"scopes": "email"}, "must hold `openid`"),
        ({"trust_emails": True}, "oidc_providers.0.trust_emails"),
    ],
)
def test_a_bad_provider_is_told(system: System, changes: dict[str, Any], message: str) -> None:
    told = check(system, json.dumps([{**GOOD, **changes}]))
    assert told.returncode != 0
    assert message in told.stderr
    assert "Traceback" not in told.stderr
    assert SECRET not in told.stderr + told.stdout


@pytest.mark.parametrize("field", ["name", "issuer"])
def test_two_of_a_kind_are_told(system: System, field: str) -> None:
    other = {**GOOD, "name": "other", "issuer": "https://other.example", field: GOOD[field]}
    told = check(system, json.dumps([GOOD, other]))
    assert f"two providers have the {field} {GOOD[field]}" in told.stderr
    assert SECRET not in told.stderr + told.stdout


def test_what_is_no_json_is_told(system: System) -> None:
    told = check(system, f"[{{{SECRET}")
    assert told.returncode != 0
    assert "oidc_providers" in told.stderr
    assert "Traceback" not in told.stderr
    assert SECRET not in told.stderr + told.stdout


@pytest.mark.parametrize("issuer", ["https://acme.example/realms/a", "http://127.0.0.1:8080/o"])
def test_a_good_one_is_taken(system: System, issuer: str) -> None:
    system.start("auth")  # and its tables are there
    told = check(system, json.dumps([{**GOOD, "issuer": issuer}]))
    assert (told.returncode, told.stderr) == (0, "")
