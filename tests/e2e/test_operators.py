"""`tenon users` and `tenon keys`, on a system as an operator has it."""

import json
from pathlib import Path

import httpx
import psycopg
import pytest

from tenon_embedded.postgres import PostgresServer
from tenon_testing.callers import PASSWORD
from tenon_testing.waiting import wait_until
from tests.e2e.test_up import tenon, up

EMAIL = "ada@example.com"
PID_FILE_PORT_LINE = 3


def log_in(url: str) -> httpx.Response:
    credentials = {"email": EMAIL, "password": PASSWORD}
    return httpx.post(f"{url}/api/auth/login", json=credentials, headers={"Origin": url})


def audited(data: Path, user_id: str) -> set[str]:
    """Return what a person's own audit log says that operators did."""
    port = (data / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
    url = PostgresServer(data / "postgres", int(port[PID_FILE_PORT_LINE])).url("tenon")
    query = (
        "SELECT action FROM tenancy.personal_audit_events"
        " WHERE user_id = %s AND actor LIKE 'operators/%%'"
    )
    with psycopg.connect(url) as admin:
        return {row[0] for row in admin.execute(query, [user_id]).fetchall()}


def test_the_first_account_of_a_closed_system_and_the_end_of_its_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("TENON_AUTH_SIGN_UP", "closed")
    with up(data) as system:
        monkeypatch.delenv("TENON_AUTH_SIGN_UP")
        words = ("users", "create", EMAIL, "--name", "Ada", "--password-stdin")
        made = tenon(*words, data_dir=data, stdin=PASSWORD)
        assert made.returncode == 0, made.stderr
        logged_in = log_in(system["url"])
        assert logged_in.status_code == 200
        ended = tenon("users", "end-sessions", EMAIL, data_dir=data)
        assert ended.returncode == 0, ended.stderr
        with httpx.Client(base_url=system["url"], cookies=logged_in.cookies) as client:
            wait_until(lambda: client.get("/api/auth/session").status_code == 401, within=1.2)
        user_id = logged_in.json()["user"]["id"]
        deeds = {"auth.operators.create_user", "auth.operators.end_sessions"}
        wait_until(lambda: audited(data, user_id) == deeds)
        shown = tenon("keys", "status", "--json", data_dir=data)
        assert [key["use"] for key in json.loads(shown.stdout)] == ["signs"]
        refused = tenon("keys", "rotate", data_dir=data)
        assert refused.returncode == 1
        assert "rotate later" in refused.stderr
        rotated = tenon("keys", "rotate", "--level", "kek", data_dir=data)
        assert rotated.returncode == 0, rotated.stderr
        assert "auth kek keys: succeeded, 1 of 1" in rotated.stdout
        assert "tenancy kek keys: succeeded, 0 of 0" in rotated.stdout
        assert "never rotated" in tenon("keys", "status", data_dir=data).stdout


@pytest.mark.parametrize("words", [("users", "end-sessions", EMAIL), ("keys", "rotate")])
def test_it_says_that_nothing_runs(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = tenon(*words, data_dir=tmp_path / "nowhere")
    assert refused.returncode == 1
    assert "Nothing runs on" in refused.stderr


def test_help_needs_no_system(tmp_path: Path) -> None:
    shown = tenon("users", "create", "--help", data_dir=tmp_path / "nowhere")
    assert shown.returncode == 0
    assert "Usage: tenon users create" in shown.stdout
