"""A migration beside a long transaction keeps nobody waiting for longer than a second."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import QueryCanceled

from libs.db.tests.conftest import PASSWORDS, SCHEMA
from tenon_db import migrations
from tenon_db.provisioning import provision
from tenon_db.roles import owner_role
from tenon_testing.servers import Servers

WAIT_SECONDS = 2.0
"""Beyond the second that a migration may wait, and a busy machine."""
THIRD = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE probe.notes ADD COLUMN title text")
"""


class Bench:
    """A database one revision behind, and somebody in a long transaction who has looked at it."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self._versions = directory / "versions"
        shutil.copytree(Path(__file__).parent / "versions", self._versions)
        name = f"probe_{uuid4().hex}"
        self.admin_url = servers.postgres.url(name)
        provision(servers.postgres.url(), name, {SCHEMA: PASSWORDS})
        self._owner_url = servers.postgres.url(name, owner_role(SCHEMA), PASSWORDS.owner)
        self.migrate()
        (self._versions / "0003_titles.py").write_text(THIRD)
        self.long = psycopg.connect(self.admin_url)
        self.long.execute("SELECT FROM probe.notes")

    def migrate(self) -> None:
        migrations.run(self._owner_url, schema=SCHEMA, versions=self._versions)

    def look(self) -> float:
        """Look at the table as somebody who comes later; return how long that took."""
        with psycopg.connect(self.admin_url) as other:
            other.execute(f"SET statement_timeout = {int(WAIT_SECONDS * 1000)}".encode())
            asked_at = time.monotonic()
            other.execute("SELECT FROM probe.notes")
            return time.monotonic() - asked_at

    def waits(self) -> bool:
        """Say whether somebody waits for a lock on a table."""
        with psycopg.connect(self.admin_url) as other:
            found = other.execute(
                "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
            ).fetchall()
        return bool(found)


@pytest.fixture
def bench(servers: Servers, tmp_path: Path) -> Iterator[Bench]:
    opened = Bench(servers, tmp_path)
    yield opened
    opened.long.close()


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a migration has given way."""
    given_way = threading.Event()
    monkeypatch.setattr("tenon_db.migrations.time.sleep", lambda _: given_way.set())
    return given_way


def in_background(bench: Bench) -> threading.Thread:
    """Begin to migrate; return once that waits for the long transaction."""
    migrating = threading.Thread(target=bench.migrate, daemon=True)
    migrating.start()
    while not bench.waits():
        assert migrating.is_alive()
    return migrating


def test_who_comes_later_does_not_wait_behind_it(bench: Bench, retried: threading.Event) -> None:
    migrating = in_background(bench)
    assert bench.look() < WAIT_SECONDS
    assert retried.wait(WAIT_SECONDS)
    bench.long.commit()
    migrating.join(30)
    with psycopg.connect(bench.admin_url) as admin:
        admin.execute("SELECT title FROM probe.notes")


def test_without_a_bound_everybody_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "0")
    migrating = in_background(bench)
    with pytest.raises(QueryCanceled):
        bench.look()
    bench.long.commit()
    migrating.join(30)
    assert not migrating.is_alive()


def test_one_that_is_always_in_the_way_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, retried: threading.Event
) -> None:
    del retried
    monkeypatch.setattr(migrations, "TRIES", 1)
    with pytest.raises(migrations.MigrationBlocked, match="run `migrate` again"):
        bench.migrate()
