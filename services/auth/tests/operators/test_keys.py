"""The operator's commands for signing keys."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from services.auth.tests.operators.test_users import Operator, told
from services.auth.tests.signing_keys.test_rotation import grow_older
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_auth.signing_keys import files
from tenon_embedded.ports import free_port
from tenon_testing.system import System


@pytest.fixture
def directory(system: System, tmp_path: Path) -> Path:
    """Keys of one's own, of which the newest is old enough to be replaced."""
    own = tmp_path / "keys"
    shutil.copytree(system.directory / "keys", own)
    grow_older(own)
    return own


@pytest.fixture
def operator(auth: grpc.aio.Channel, system: System, directory: Path) -> Operator:  # noqa: ARG001 # it has migrated
    return Operator(system.values("auth") | {"signing_keys_directory": str(directory)})


@pytest.fixture
def admin(system: System) -> "Iterator[psycopg.Connection[Any]]":
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


def rotations(admin: "psycopg.Connection[Any]") -> int:
    """Count the rotations on record; they are of no tenant and no person."""
    rows = admin.execute(
        "SELECT payload FROM auth.outbox WHERE user_id IS NULL AND org_id IS NULL AND type = %s",
        [AccessRecorded.DESCRIPTOR.full_name],
    ).fetchall()
    actions = [AccessRecorded.FromString(row[0]).action for row in rows]
    return actions.count("auth.operators.rotate_signing_keys")


async def used(operator: Operator) -> dict[str, str]:
    """Return what each key is used for."""
    found = await operator("keys", "status", "--json")
    assert found.returncode == 0, found.stderr
    return {key["kid"]: key["use"] for key in json.loads(found.stdout)}


async def test_a_rotation_adds_a_key_that_signs_soon_and_is_on_record(
    operator: Operator, directory: Path, admin: "psycopg.Connection[Any]"
) -> None:
    (old,) = files.names(directory)
    before = rotations(admin)
    done = await operator("keys", "rotate")
    assert done.returncode == 0, done.stderr
    _, new = files.names(directory)
    assert done.stdout == f"{new} signs soon.\n"
    assert await used(operator) == {old: "signs", new: "signs soon"}
    grow_older(directory)
    assert await used(operator) == {old: "verifies", new: "signs"}
    assert rotations(admin) == before + 1


async def test_a_key_that_is_young_is_not_replaced(
    operator: Operator, directory: Path, admin: "psycopg.Connection[Any]"
) -> None:
    await operator("keys", "rotate")
    before = rotations(admin), files.names(directory)
    assert "rotate later" in told(await operator("keys", "rotate"))
    assert (rotations(admin), files.names(directory)) == before


async def test_what_cannot_be_recorded_is_not_done(operator: Operator, directory: Path) -> None:
    before = files.names(directory)
    away = f"postgresql://nobody:x@127.0.0.1:{free_port()}/x"
    done = await operator("keys", "rotate", database_url=away)
    assert "The database does not answer" in told(done)
    assert files.names(directory) == before
    shown = await operator("keys", "status", database_url=away)
    assert shown.returncode == 0, shown.stderr
    assert "signs" in shown.stdout


async def test_a_file_that_is_no_key_is_shown_as_such(operator: Operator, directory: Path) -> None:
    (old,) = files.names(directory)
    (directory / "zzz.pem").write_text("no key")
    assert await used(operator) == {old: "signs", "zzz": "is no key"}
