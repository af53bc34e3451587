"""`tenon audit` on a real database that its administrator tampers with, and on files."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from psycopg import sql

from services.tenancy.tests.tampered_logs import clients_of
from tenon_core import clock
from tenon_rpc.backbone import Backbone
from tenon_storage.opening import open_storage
from tenon_tenancy.app import APP
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.settings import TenancySettings
from tenon_testing.service_process import environment
from tenon_testing.system import System

COVERED = 5
LINES = 8


@dataclass(frozen=True)
class Command:
    """`python -m tenon_tenancy audit`, as an operator has it."""

    variables: dict[str, str]
    org_id: UUID

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 # our own module
            [sys.executable, "-m", "tenon_tenancy", "audit", *words],
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def verify(self) -> subprocess.CompletedProcess[str]:
        return self("verify", "--org", str(self.org_id))


async def append(backbone: Backbone[TenancySettings], org_id: UUID, count: int) -> None:
    accesses = [
        Access(uuid4(), f"action {number}", "users/me", "", None, "r", 1, clock.now())
        for number in range(count)
    ]
    async with backbone.database.tenant(org_id) as tx:
        await AuditEventRepository(tx).append(accesses)


@pytest.fixture
async def command(
    system: System,
    tenancy: grpc.aio.Channel,  # noqa: ARG001 # which has migrated the database
    backbone: Backbone[TenancySettings],
) -> Command:
    """The command, and a log of which all but the last lines are covered by a checkpoint."""
    org_id = uuid4()
    settings = backbone.settings
    service = AuditCheckpointService(
        backbone.database,
        open_storage(settings.checkpoint_url, b"", ""),
        AuditEventService(backbone.database, clients_of(backbone)),
        CheckpointKeys(settings.checkpoint_keys_directory),
    )
    await append(backbone, org_id, COVERED)
    await service.cover(LogKey(ORGANIZATIONS, org_id))
    await append(backbone, org_id, LINES - COVERED)
    return Command(environment(APP.name, system.values(APP.name)), org_id)


async def test_a_log_that_nobody_touched_is_whole(command: Command) -> None:
    verified = command.verify()
    assert verified.returncode == 0, verified.stderr
    assert f"whole, {LINES} lines; covered up to {COVERED}, 3 lines not yet" in verified.stdout


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        (
            "UPDATE tenancy.audit_events SET actor = '' WHERE org_id = %s AND position = 3",
            "line 3: altered",
        ),
        ("DELETE FROM tenancy.audit_events WHERE org_id = %s AND position = 2", "line 2: missing"),
        ("DELETE FROM tenancy.audit_events WHERE org_id = %s AND position > 3", "line 5: cut"),
        ("DELETE FROM tenancy.audit_events WHERE org_id = %s", "line 5: cut"),
        (
            "DELETE FROM tenancy.audit_events WHERE org_id = %s AND position <= 5",
            "line 1: missing",
        ),
        (
            "UPDATE tenancy.audit_checkpoints SET hash = 'made up' WHERE org_id = %s",
            "line 5: forged checkpoint",
        ),
    ],
)
async def test_what_the_administrator_of_the_database_does_shows(
    command: Command, admin: psycopg.AsyncConnection, tampering: str, finding: str
) -> None:
    await admin.execute(tampering.encode(), [command.org_id])
    verified = command.verify()
    assert verified.returncode == 1, verified.stderr
    assert finding in verified.stdout


async def test_checkpoints_deleted_from_the_database_are_still_in_the_storage(
    command: Command, admin: psycopg.AsyncConnection
) -> None:
    for table in ("audit_checkpoints", "audit_events"):
        cut = sql.SQL("DELETE FROM {} WHERE org_id = %s AND position >= 5")
        await admin.execute(cut.format(sql.Identifier("tenancy", table)), [command.org_id])
    assert "line 5: cut" in command.verify().stdout


async def test_a_whole_log_that_was_deleted_shows_among_all(
    command: Command, admin: psycopg.AsyncConnection
) -> None:
    for table in ("audit_checkpoints", "audit_events", "audit_heads"):
        gone = sql.SQL("DELETE FROM {} WHERE org_id = %s")
        await admin.execute(gone.format(sql.Identifier("tenancy", table)), [command.org_id])
    verified = command("verify")
    assert verified.returncode == 1, verified.stderr
    assert f"orgs/{command.org_id}: BROKEN, 0 lines" in verified.stdout


async def test_an_export_is_checked_without_the_system(command: Command, tmp_path: Path) -> None:
    log, checkpoints, keys = (tmp_path / name for name in ("log", "checkpoints", "keys"))
    files = ("--to", str(log), "--checkpoints", str(checkpoints))
    exported = command("export", "--org", str(command.org_id), *files)
    assert exported.returncode == 0, exported.stderr
    keys.write_text(command("keys").stdout)
    alone = Command({"PATH": ""}, command.org_id)
    given = ("--export", str(log), "--checkpoints", str(checkpoints), "--key", str(keys))
    assert alone("verify", *given).returncode == 0

    lines = log.read_text().splitlines(keepends=True)
    changed = json.loads(lines[1]) | {"actor": "users/other"}
    log.write_text("".join([lines[0], json.dumps(changed) + "\n", *lines[2:]]))
    verified = alone("verify", *given)
    assert verified.returncode == 1
    assert "line 2: altered" in verified.stdout

    log.write_text("".join(lines[:3]))
    assert "line 5: cut" in alone("verify", *given).stdout


async def test_one_owners_lines_come_together(command: Command, tmp_path: Path) -> None:
    """Otherwise the report on the last of them would hide the one before."""
    log = tmp_path / "log"
    exported = command("export", "--org", str(command.org_id), "--to", str(log))
    assert exported.returncode == 0, exported.stderr
    whole = log.read_text()
    line = whole.splitlines(keepends=True)[0]
    other = json.dumps(json.loads(line) | {"owner": f"orgs/{uuid4()}"}) + "\n"
    log.write_text(line.replace("users/me", "users/other") + other + whole)
    verified = Command({"PATH": ""}, command.org_id)("verify", "--export", str(log))
    assert verified.returncode == 1
    assert f"the lines of orgs/{command.org_id} are not together" in verified.stderr


@pytest.mark.parametrize("content", ["nonsense", '{"position": 1}', "[]"])
def test_a_file_that_is_no_log_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log"
    path.write_text(content)
    verified = Command({"PATH": ""}, uuid4())("verify", "--export", str(path))
    assert verified.returncode == 1
    assert "line 1: this is no line of an audit log" in verified.stderr


def test_checkpoints_need_the_key_that_signed_them(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    given = ("--export", str(path), "--checkpoints", str(path))
    verified = Command({"PATH": ""}, uuid4())("verify", *given)
    assert verified.returncode == 2
    assert "give both" in verified.stderr
