"""Cancelling a run: its statement ends in the database, and no file stays."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tenon_testing.system import System
from tests.e2e.conftest import Flights, finished

CANCEL_SECONDS = 2.0
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename = 'tenon_reports_app' AND wait_event_type = 'Lock' AND wait_event = 'relation'"
)


@contextmanager
def events_locked(system: System) -> Iterator[psycopg.Connection]:
    """Keep every statement on events waiting, so that an export is caught in the middle."""
    with psycopg.connect(system.admin_url()) as admin:
        admin.execute("LOCK TABLE reports.events IN ACCESS EXCLUSIVE MODE")
        yield admin
        admin.rollback()


def waiting(admin: psycopg.Connection) -> int:
    row = admin.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


def seconds_until(admin: psycopg.Connection, count: int, within: float) -> float:
    """Return how long it took until so many statements of reports wait."""
    started = time.monotonic()
    while waiting(admin) != count:
        if time.monotonic() - started > within:
            pytest.fail(f"{waiting(admin)} statements wait after {within} s, not {count}")
        time.sleep(0.02)
    return time.monotonic() - started


def files_of(system: System, run_id: str) -> list[Path]:
    stored = (system.directory / "files").rglob("*")
    return [path for path in stored if path.is_file() and run_id in str(path)]


def test_ends_the_statement_and_leaves_no_file(loaded: Flights, whole_system: System) -> None:
    person = loaded.person
    with events_locked(whole_system) as admin:
        export = {"events": {"dataset_id": loaded.dataset}, "format": "csv"}
        run = person.send("POST", f"{person.org}/runs", json=export)
        seconds_until(admin, 1, within=10.0)
        path = f"{person.org}/runs/{run['id']}"
        assert person.send("POST", f"{path}:cancel", json={})["state"] == "cancelling"
        assert seconds_until(admin, 0, within=CANCEL_SECONDS) < CANCEL_SECONDS
    ended = finished(person, path)
    assert ended["state"] == "cancelled"
    assert person.client.get(f"{path}/file").status_code == 409
    assert files_of(whole_system, run["id"]) == []


def test_a_finished_run_keeps_its_file(loaded: Flights, whole_system: System) -> None:
    person = loaded.person
    export = {"events": {"dataset_id": loaded.dataset}, "format": "csv"}
    run = person.send("POST", f"{person.org}/runs", json=export)
    path = f"{person.org}/runs/{run['id']}"
    finished(person, path)
    refused = person.client.post(f"{path}:cancel", json={})
    assert refused.status_code == 409
    assert refused.json()["code"] == "run_finished"
    assert len(files_of(whole_system, run["id"])) == 1
