"""The checker finds what it is there for: each wrong, done by hand, is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tenon_core import clock
from tenon_testing.waiting import wait_until
from tests.crashes import data
from tests.crashes.actor import Actor
from tests.crashes.checker import findings
from tests.crashes.conftest import FaultBench
from tests.crashes.ledger import Kind, Ledger, Told, Write
from tests.crashes.reads import Question, reads_of
from tests.crashes.scenarios import FEW_ROWS, SENT_EVENTS
from tests.crashes.stored import Stored

pytestmark = pytest.mark.timeout(600)  # the system starts within the first

LAZY_COMMITS = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
LOST_DATASETS = 20
REMOVED = "01890000-0000-7000-8000-000000000000"
"""Somebody who is no longer a member, by the ledger."""

WRONGS = {
    name: (told, statement)
    for name, told, statement in re.findall(
        r"^-- ([^:\n]+): ([^\n]+)\n([^;]+);",
        Path(__file__).with_name("wrongs.sql").read_text(),
        re.MULTILINE,
    )
}


@pytest.fixture(scope="module")
def ours(bench: FaultBench) -> Iterator[Actor]:
    """Somebody who did a bit of everything, with a ledger of their own."""
    actor = Actor(bench.faulty.system.url, Ledger())
    actor.sign_up()
    bench.verify_email(actor.user_id)
    actor.create_organization()
    dataset = actor.create_dataset()
    actor.send_events(dataset, data.events(0, SENT_EVENTS))
    actor.upload(dataset, data.csv(data.events(SENT_EVENTS, FEW_ROWS)))
    actor.export(dataset)
    actor.ledger.add(Write(Kind.REMOVAL, actor.org_id, REMOVED, Told.THERE_ALREADY))
    assert bench.findings() == []
    yield actor
    actor.close()


def found(bench: FaultBench, actor: Actor, admin: psycopg.Connection) -> str:
    stored = Stored(admin, bench.faulty.files, bench.faulty.maildir)
    return "\n".join(findings(actor.ledger, stored, mailer_deaths=[]))


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_wrong_in_the_database_is_found(bench: FaultBench, ours: Actor, wrong: str) -> None:
    told, statement = WRONGS[wrong]
    ids = {"org": ours.org_id, "user": ours.user_id, "removed": REMOVED}
    with psycopg.connect(bench.faulty.system.admin_url()) as admin:
        admin.execute("SET LOCAL session_replication_role = replica")  # foreign keys would object
        assert admin.execute(statement.format(**ids).encode()).rowcount
        assert told in found(bench, ours, admin)
        admin.rollback()
        # Counts of reads follow a minute later, and are consumed soon.
        wait_until(lambda: found(bench, ours, admin) == "")


@pytest.fixture
def admin(bench: FaultBench) -> Iterator[psycopg.Connection]:
    with psycopg.connect(bench.faulty.system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def a_mail(bench: FaultBench) -> Path:
    return next((bench.faulty.maildir / "new").iterdir())


def test_a_lost_mail_is_found(
    bench: FaultBench, ours: Actor, admin: psycopg.Connection, a_mail: Path, tmp_path: Path
) -> None:
    hidden = a_mail.replace(tmp_path / a_mail.name)
    assert "did not arrive" in found(bench, ours, admin)
    hidden.replace(a_mail)


def test_a_repeated_mail_is_found(
    bench: FaultBench, ours: Actor, admin: psycopg.Connection, a_mail: Path
) -> None:
    repeat = a_mail.with_name("repeat")
    repeat.write_bytes(a_mail.read_bytes())
    assert "came 2 times" in found(bench, ours, admin)
    repeat.unlink()


def test_lost_and_forgotten_files_are_found(
    bench: FaultBench, ours: Actor, admin: psycopg.Connection
) -> None:
    (export,) = (bench.faulty.files / "orgs" / ours.org_id / "runs").rglob("file.csv")
    moved = export.replace(export.with_name("forgotten"))
    told = found(bench, ours, admin)
    moved.replace(export)
    assert "is lost" in told
    assert "no row knows it" in told


def test_a_commit_that_is_acknowledged_too_early_is_found(
    bench: FaultBench, admin: psycopg.Connection
) -> None:
    """PostgreSQL answers before what it commits is on disk, and dies."""
    actor = Actor(bench.faulty.system.url, Ledger())
    actor.sign_up()
    actor.create_organization()
    assert bench.findings() == []
    set_all(admin, LAZY_COMMITS)
    try:
        for number in range(LOST_DATASETS):
            actor.create_dataset(f"early {number}")
        bench.faulty.kill("postgres")
        bench.faulty.wait_until_ready()
        with psycopg.connect(bench.faulty.system.admin_url(), autocommit=True) as again:
            set_all(again, dict.fromkeys(LAZY_COMMITS, "DEFAULT"))
            assert "was acknowledged and is lost" in found(bench, actor, again)
    finally:
        actor.close()


def test_a_read_that_nobody_recorded_is_found(bench: FaultBench, ours: Actor) -> None:
    """A second gateway asks a second reports, which records no read; the first ones do."""
    system = bench.faulty.system
    forgetful = system.replica("reports", module="tests.crashes.forgetful_service")
    peers = {service: f"127.0.0.1:{port}" for service, port in system.ports.items()}
    peers["reports"] = f"127.0.0.1:{forgetful.listen_port}"
    gateway = system.replica("gateway", peers=json.dumps(peers))
    (dataset,) = (found["id"] for found in ours.read("GET", f"{ours.org}/datasets").json()["items"])
    question = reads_of(ours, dataset)[-1]
    assert "was answered and is not on record" in told_of(
        bench, question, ours, f"http://127.0.0.1:{gateway.listen_port}"
    )
    assert told_of(bench, question, ours, system.url) == ""


def told_of(bench: FaultBench, question: Question, actor: Actor, url: str) -> str:
    """Ask, and return what is wrong with that once nothing waits to be recorded."""
    ledger, asked = Ledger(), clock.current_minute()
    reply = httpx.get(f"{url}{question.path}", headers={"Cookie": actor.cookies})
    assert reply.is_success, reply.text
    ledger.add_read(question.answered(actor.cookies, asked))
    with bench.stored() as stored:
        wait_until(stored.is_at_rest)
        return "\n".join(findings(ledger, stored, mailer_deaths=[]))


def set_all(admin: psycopg.Connection, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        literal = value if value == "DEFAULT" else f"'{value}'"
        admin.execute(f"ALTER SYSTEM SET {name} = {literal}".encode())
    admin.execute("SELECT pg_reload_conf()")
