"""What is older than a log is kept goes, and what is left can still be proved."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from services.tenancy.tests.tampered_logs import COVERED, Logs, append
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import GetAuditBeginningRequest
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon_core import clock
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import Beginning, LogKey
from tenon_tenancy.audit_checkpoints.signing import is_genuine, public_jwks
from tenon_tenancy.audit_events.models import ORGANIZATIONS, PERSONS, AuditEvent, Head
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_retention.service import ACTION, AuditRetentionService
from tenon_tenancy.audit_verification.offline import verify_files
from tenon_tenancy.audit_verification.verification import Finding, Problem
from tenon_tenancy.errors import AuditLogBroken
from tenon_testing.callers import Callers

LATER = 3
A_DAY = timedelta(days=1)

Clock: TypeAlias = Callable[[timedelta], None]


@pytest.fixture
def retention(logs: Logs) -> AuditRetentionService:
    return AuditRetentionService(
        logs.database,
        AuditEventService(logs.database, logs.clients),
        logs.checkpoints,
        personal_days=1,
    )


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let time pass for this process."""
    real = clock.now
    return lambda time: monkeypatch.setattr(clock, "now", lambda: real() + time)


async def remove(logs: Logs, retention: AuditRetentionService) -> None:
    """Remove what is covered, and let the log go on."""
    await retention.remove(logs.key, clock.now())
    await logs.append(LATER)
    await logs.cover()


async def lines_of(logs: Logs) -> list[AuditEvent]:
    return [line async for line in read_log(logs.database, logs.key.log, logs.key.owner_id)]


async def begins_after(logs: Logs) -> int:
    found = await logs.admin.execute(
        "SELECT begins_after FROM tenancy.audit_heads WHERE org_id = %s", [logs.key.owner_id]
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def test_what_a_checkpoint_covers_goes_and_that_is_on_record(
    logs: Logs, retention: AuditRetentionService
) -> None:
    await logs.append(LATER)
    await retention.remove(logs.key, clock.now())
    lines = await lines_of(logs)
    assert [line.position for line in lines] == list(range(COVERED + 1, COVERED + LATER + 2))
    said = lines[-1].access
    assert (said.action, said.actor) == (ACTION, "services/tenancy-worker")
    assert said.resource == f"audit_events/1-{COVERED}"
    report = await logs.verify()
    assert (report.findings, report.begins_after, report.lines) == ([], COVERED, LATER + 1)
    assert report.uncovered == 0
    assert await begins_after(logs) == COVERED


async def test_it_goes_on_from_one_beginning_to_the_next(
    logs: Logs, retention: AuditRetentionService
) -> None:
    await remove(logs, retention)
    await remove(logs, retention)
    report = await logs.verify()
    assert (report.findings, report.begins_after) == ([], COVERED + 1 + LATER)
    assert report.lines == 1 + LATER


async def test_what_is_younger_or_kept_for_ever_stays(
    logs: Logs, retention: AuditRetentionService, passes: Clock
) -> None:
    await logs.run(
        "INSERT INTO tenancy.organizations (name, create_time, audit_retention_days, id)"
        " VALUES ('A', now(), 0, %s)"
    )
    passes(timedelta(days=10_000))
    await retention.remove_old(logs.key)
    assert logs.key not in [key async for key in retention.limited()]
    await logs.run("UPDATE tenancy.organizations SET audit_retention_days = 1 WHERE id = %s")
    assert logs.key in [key async for key in retention.limited()]
    passes(A_DAY - timedelta(hours=1))
    await retention.remove_old(logs.key)
    assert (await logs.verify()).begins_after == 0
    passes(A_DAY + timedelta(hours=1))
    await retention.remove_old(logs.key)
    assert (await logs.verify()).begins_after == COVERED


async def test_logs_of_persons_go_by_the_services_setting(
    logs: Logs, retention: AuditRetentionService, passes: Clock
) -> None:
    person = dataclasses.replace(logs, key=LogKey(PERSONS, uuid4()))
    await person.append(COVERED)
    await person.cover()
    assert person.key in [key async for key in retention.limited()]
    passes(2 * A_DAY)
    await retention.remove_old(person.key)
    report = await person.verify()
    assert (report.findings, report.begins_after) == ([], COVERED)


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("UPDATE {t} SET actor = '' WHERE position = 7 AND org_id = %s", (Problem.ALTERED, 7)),
        ("DELETE FROM {t} WHERE position = 7 AND org_id = %s", (Problem.MISSING, 7)),
        ("DELETE FROM {t} WHERE position = 6 AND org_id = %s", (Problem.MISSING, 6)),
        ("DELETE FROM {t} WHERE position > 7 AND org_id = %s", (Problem.CUT, 9)),
        ("DELETE FROM {t} WHERE org_id = %s", (Problem.CUT, 6)),
    ],
)
async def test_tampering_with_what_is_left_shows(
    logs: Logs, retention: AuditRetentionService, tampering: str, finding: tuple[Problem, int]
) -> None:
    await remove(logs, retention)
    assert await logs.findings() == []
    await logs.run(tampering.format(t="tenancy.audit_events"))
    assert Finding(*finding) in await logs.findings()


async def test_who_deletes_the_oldest_lines_cannot_make_a_beginning(logs: Logs) -> None:
    """The database may say what it wants: a beginning is what was signed and is in the storage."""
    await logs.append(LATER)
    await logs.cover()
    await logs.run("DELETE FROM tenancy.audit_events WHERE position <= 5 AND org_id = %s")
    await logs.run("DELETE FROM tenancy.audit_checkpoints WHERE position < 6 AND org_id = %s")
    await logs.run("UPDATE tenancy.audit_heads SET begins_after = 5 WHERE org_id = %s")
    assert Finding(Problem.MISSING, 1) in await logs.findings()
    forged = logs.keys.sign_beginning(str(logs.key), Head(COVERED, bytes(32)), clock.now())
    keep(logs, dataclasses.replace(forged, hash=logs.latest().hash))
    findings = await logs.findings()
    assert Finding(Problem.NO_BEGINNING, COVERED) in findings
    assert Finding(Problem.MISSING, 1) in findings


def keep(logs: Logs, beginning: Beginning) -> None:
    path = logs.path(f"beginnings/{beginning.position:019}")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(documents.written(beginning))


async def test_the_beginning_of_another_log_is_none(
    logs: Logs, retention: AuditRetentionService
) -> None:
    other = dataclasses.replace(logs, key=LogKey(ORGANIZATIONS, uuid4()))
    await append(other.database, other.key, COVERED)
    await other.cover()
    await retention.remove(other.key, clock.now())
    taken = documents.read_any(other.path(f"beginnings/{COVERED:019}").read_bytes())
    assert isinstance(taken, Beginning)
    keep(logs, taken)
    await logs.run("DELETE FROM tenancy.audit_events WHERE position <= 5 AND org_id = %s")
    assert Finding(Problem.NO_BEGINNING, COVERED) in await logs.findings()
    with pytest.raises(AuditLogBroken):
        await retention.remove(logs.key, clock.now())


async def test_nothing_that_was_tampered_with_goes(
    logs: Logs, retention: AuditRetentionService
) -> None:
    await logs.run("UPDATE tenancy.audit_events SET actor = '' WHERE position = 2 AND org_id = %s")
    with pytest.raises(AuditLogBroken):
        await retention.remove(logs.key, clock.now())
    assert len(await lines_of(logs)) == COVERED
    assert (await logs.verify()).begins_after == 0


async def test_a_checkpoint_that_only_the_database_has_lets_nothing_go(
    logs: Logs, retention: AuditRetentionService
) -> None:
    """As old as its administrator wants it to be."""
    await logs.append(1)
    await logs.run(
        "INSERT INTO tenancy.audit_checkpoints SELECT org_id, 6, 5, hash, '2000-01-01', key_id,"
        " signature FROM tenancy.audit_checkpoints WHERE org_id = %s"
    )
    with pytest.raises(AuditLogBroken):
        await retention.remove(logs.key, clock.now() - A_DAY)
    assert len(await lines_of(logs)) == COVERED + 1


async def test_two_at_once_and_lines_that_come_meanwhile(
    logs: Logs, retention: AuditRetentionService
) -> None:
    async def grow() -> None:
        for _ in range(5):
            await logs.append(1)
            await logs.cover()

    before = clock.now()
    await asyncio.gather(*(retention.remove(logs.key, before) for _ in range(3)), grow())
    report = await logs.verify()
    assert (report.findings, report.begins_after) == ([], COVERED)
    said = [line for line in await lines_of(logs) if line.access.action == ACTION]
    assert len(said) == 1


async def test_files_are_verified_from_a_signed_beginning_on(
    logs: Logs, retention: AuditRetentionService, tmp_path: Path
) -> None:
    whole = await exported(logs, tmp_path / "whole")
    await remove(logs, retention)
    short = await exported(logs, tmp_path / "short")
    keys = tmp_path / "keys.json"
    keys.write_text(f'{{"keys": {public_jwks(logs.keys.public_keys)}}}'.replace("'", '"'))
    ((_, report),) = verify_files(short / "log", short / "checkpoints", keys)
    assert (report.findings, report.begins_after) == ([], COVERED)
    ((_, earlier),) = verify_files(whole / "log", short / "checkpoints", keys)
    assert (earlier.findings, earlier.begins_after) == ([Finding(Problem.CUT, 6)], 0)
    ((_, unproved),) = verify_files(short / "log", whole / "checkpoints", keys)
    assert unproved.findings[0] == Finding(Problem.MISSING, 1)
    signed = (short / "checkpoints").read_text()
    (short / "checkpoints").write_text(signed.replace('"begins_after": 5', '"begins_after": 4'))
    ((_, forged),) = verify_files(short / "log", short / "checkpoints", keys)
    assert Finding(Problem.NO_BEGINNING, 4) in forged.findings
    assert Finding(Problem.MISSING, 1) in forged.findings


async def test_who_may_read_the_log_gets_its_signed_beginning(
    logs: Logs,
    retention: AuditRetentionService,
    tenancy: grpc.aio.Channel,
    callers: Callers,
) -> None:
    tenant = await callers.tenant()
    own = dataclasses.replace(logs, key=LogKey(ORGANIZATIONS, tenant.org_id))
    stub = AuditCheckpointServiceStub(tenancy)
    request = GetAuditBeginningRequest(org_id=str(tenant.org_id))
    reply = await stub.GetAuditBeginning(request, metadata=tenant.metadata)
    assert (reply.beginning.begins_after, reply.beginning.hash) == (0, "")
    await own.append(COVERED)
    covered = await own.cover()
    await retention.remove(own.key, clock.now())
    said = (await stub.GetAuditBeginning(request, metadata=tenant.metadata)).beginning
    beginning = Beginning(
        str(own.key),
        said.begins_after,
        bytes.fromhex(said.hash),
        said.create_time.ToDatetime(UTC),
        said.key_id,
        bytes.fromhex(said.signature),
    )
    assert (beginning.position, beginning.hash) == (covered.position, covered.hash)
    assert is_genuine(beginning, own.keys.public_keys)


async def exported(logs: Logs, folder: Path) -> Path:
    verification = logs.verification
    lines = [line async for line in verification.export(logs.key)]
    signed = [documents.written(one) async for one in verification.checkpoints(logs.key)]
    return written(folder, lines, signed)


def written(folder: Path, lines: list[bytes], signed: list[bytes]) -> Path:
    folder.mkdir()
    (folder / "log").write_bytes(b"".join(lines))
    (folder / "checkpoints").write_bytes(b"".join(signed))
    return folder
