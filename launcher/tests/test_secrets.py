"""Secrets that are missing, damaged or open to others are refused, and never replaced."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenon_embedded.postgres import PostgresServer
from tenon_embedded.secret_file import kept_password
from tenon_embedded.valkey import ValkeyServer
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.doctor.examination import examine
from tenon_launcher.foundation import create_keys, passwords
from tenon_launcher.preflight import problems
from tenon_launcher.secret_files import secrets_of

Launcher = Any  # the fixture's class; a conftest cannot be imported


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """All secrets of a system that was started."""
    made = DataDirectory(tmp_path / "data")
    made.create()
    for server in (PostgresServer(made.postgres), ValkeyServer(made.valkey)):
        assert server.password
        (server.directory / "data").mkdir()
    create_keys(made)
    passwords(made)
    made.initialized.touch()
    return made


SECRETS = range(18)
"""By their place in `secrets_of`; one test says that these are all."""


def files_of(data: DataDirectory, number: int) -> list[Path]:
    return list(secrets_of(data))[number].files()


def found(data: DataDirectory) -> list[str]:
    return list(problems(data, {}))


def test_every_secret_file_of_a_directory_is_listed(data: DataDirectory) -> None:
    listed = {file for number in SECRETS for file in files_of(data, number)}
    there = {path for path in data.secrets.rglob("*") if path.is_file()}
    assert listed == {*there, data.postgres / "password", data.valkey / "password"}
    assert len(list(secrets_of(data))) == len(SECRETS)


def test_whole_secrets_are_accepted(data: DataDirectory) -> None:
    assert found(data) == []


@pytest.mark.parametrize("number", SECRETS)
def test_a_missing_secret_is_refused_and_not_made_again(data: DataDirectory, number: int) -> None:
    (file,) = files_of(data, number)
    file.unlink()
    (problem,) = found(data)
    assert str(file.parent) in problem
    assert "is missing" in problem
    assert "Restore it from a backup" in problem
    create_keys(data)
    if file.suffix != ".password":
        assert not file.exists()
    levels = {one.subject: one.level for one in examine(data, 0, {})}
    assert levels["secrets"] == "fail"


def empty(file: Path) -> None:
    file.write_bytes(b"")


def shorten(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(33))


@pytest.mark.parametrize("number", SECRETS)
@pytest.mark.parametrize("damage", [empty, shorten, garble])
def test_a_damaged_secret_is_refused(
    data: DataDirectory, damage: Callable[[Path], None], number: int
) -> None:
    (file,) = files_of(data, number)
    damage(file)
    (problem,) = found(data)
    assert problem.startswith(str(file))
    assert "Restore it from a backup" in problem


@pytest.mark.parametrize("number", SECRETS)
def test_a_secret_that_others_may_read_is_refused(data: DataDirectory, number: int) -> None:
    (file,) = files_of(data, number)
    file.chmod(file.stat().st_mode | stat.S_IROTH)
    assert found(data) == [f"Other users may read {file}. Run: chmod go= {file}"]


def test_a_directory_from_before_the_mark_keeps_its_lost_secrets_lost(data: DataDirectory) -> None:
    data.initialized.unlink()
    data.log("auth").touch()
    data.link_key.unlink()
    assert "link.key is missing" in found(data)[0]


def test_a_first_start_that_was_interrupted_goes_on(data: DataDirectory) -> None:
    """The control: what was never used may be made."""
    data.initialized.unlink()
    data.link_key.unlink()
    assert found(data) == []
    create_keys(data)
    assert data.link_key.exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"3" * 5_000, b"three"])
def test_a_damaged_version_is_a_clear_message(data: DataDirectory, content: bytes) -> None:
    data.version.write_bytes(content)
    (finding,) = (one for one in examine(data, 0, {}) if one.subject == "data directory")
    assert finding.level == "fail"
    assert "no readable layout number" in finding.text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"two words", b"short"])
def test_a_damaged_password_is_a_clear_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(Exception, match="Restore it from a backup"):
        kept_password(tmp_path / "password")


def test_up_refuses_a_lost_checkpoint_key_and_runs_again_with_it(launcher: Launcher) -> None:
    assert launcher.up().returncode == 0
    launcher.run("down")
    data = DataDirectory(launcher.data)
    (key,) = data.checkpoint_keys.glob("*.pem")
    key.rename(launcher.data / "away.pem")
    refused = launcher.up()
    assert refused.returncode == 1
    assert f"{data.checkpoint_keys}/*.pem is missing" in refused.stdout
    assert not list(data.checkpoint_keys.glob("*.pem"))
    (launcher.data / "away.pem").rename(key)
    assert launcher.up().returncode == 0
