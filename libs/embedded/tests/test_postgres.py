import os
from pathlib import Path

import psutil
import psycopg
import pytest

from tenon_embedded import postgres
from tenon_embedded.errors import StartFailed, WrongVersion
from tenon_embedded.postgres import PostgresServer


def test_serves_with_its_password_and_unicode(tmp_path: Path) -> None:
    with (
        PostgresServer(tmp_path, durable=False) as server,
        psycopg.connect(server.url()) as connection,
    ):
        found = connection.execute("SELECT current_setting('server_encoding'), lower('ÄÖÜ')")
        assert found.fetchone() == ("UTF8", "äöü")


def test_refuses_a_wrong_password(tmp_path: Path) -> None:
    with (
        PostgresServer(tmp_path, durable=False) as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(server.url(password="guessed"))


def test_keeps_its_data_and_password_over_a_restart(tmp_path: Path) -> None:
    with PostgresServer(tmp_path) as server, psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with PostgresServer(tmp_path) as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_two_run_side_by_side(tmp_path: Path) -> None:
    with (
        PostgresServer(tmp_path / "one", durable=False) as one,
        PostgresServer(tmp_path / "two", durable=False) as two,
    ):
        assert one.port != two.port
        assert one.is_ready()
        assert two.is_ready()


def test_says_that_data_is_of_another_version(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, durable=False)
    server.prepare()
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(WrongVersion, match="written by PostgreSQL 16"):
        server.start()


def test_names_the_reason_when_its_port_is_taken(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "one", durable=False) as one:
        two = PostgresServer(tmp_path / "two", one.port, durable=False)
        with pytest.raises(StartFailed, match="Address already in use"):
            two.start()


def test_secrets_are_for_the_owner_only(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, durable=False)
    server.prepare()
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
    assert server.data.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "initial-password").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a privilege to drop")
def test_root_runs_it_as_another_user_in_a_private_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with PostgresServer(tmp_path / "deep" / "er", durable=False) as server:
        assert psutil.Process(server.pid).uids().real != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a privilege to drop")
def test_root_runs_programs_that_stand_in_a_private_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "bin").symlink_to(postgres.program("postgres").parent)
    monkeypatch.setattr(postgres, "program", lambda name: tmp_path / "bin" / name)
    with PostgresServer(tmp_path / "server", durable=False) as server:
        assert psutil.Process(server.pid).uids().real != 0
