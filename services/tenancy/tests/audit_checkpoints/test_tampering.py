"""Whoever administers the database gets nothing signed that is not what was signed before."""

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from psycopg import sql

from services.tenancy.tests.tampered_logs import COVERED, Logs, append, service
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_rpc.backbone import Backbone
from tenon_storage.file_storage import FileStorage, FileWriter
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.kept import KeptCheckpoints
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.writing import BROKEN, CheckpointWriter
from tenon_tenancy.audit_events.models import ORGANIZATIONS, PERSONS, Head
from tenon_tenancy.audit_events.reading import scope
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.audit_verification.verification import Finding, Problem
from tenon_tenancy.errors import AuditLogBroken
from tenon_tenancy.settings import TenancySettings
from tenon_testing.waiting import eventually


@pytest.mark.parametrize("more", [0, 3])
async def test_a_log_that_was_rewritten_is_not_signed(logs: Logs, more: int) -> None:
    await logs.append(more)
    await logs.rewrite(3)
    await logs.forget_checkpoints()
    with pytest.raises(AuditLogBroken):
        await logs.cover()
    assert logs.latest().position == COVERED
    assert Finding(Problem.REWRITTEN, COVERED) in await logs.findings()


@pytest.mark.parametrize("more", [0, 1, COVERED])
async def test_a_tail_that_was_cut_and_grew_again_is_not_signed(logs: Logs, more: int) -> None:
    await logs.cut(3)
    await logs.forget_checkpoints()
    await logs.append(more)
    with pytest.raises(AuditLogBroken):
        await logs.cover()
    assert logs.latest().position == COVERED
    assert await logs.findings()


async def test_a_log_that_only_grew_is_signed_without_what_the_database_says(logs: Logs) -> None:
    """The control: it is the lines that are refused."""
    await logs.append(3)
    await logs.forget_checkpoints()
    made = await logs.cover()
    assert (made.previous, made.position) == (COVERED, COVERED + 3)
    assert await logs.findings() == []


async def test_what_was_signed_before_shows_a_change_that_was_signed(logs: Logs) -> None:
    """Also had somebody signed it: all that the storage has is looked at, not only the last."""
    await logs.append(3)
    await logs.rewrite(3)
    async with scope(logs.database, ORGANIZATIONS, logs.key.owner_id) as tx:
        head = await AuditEventRepository(tx).head()
    signed = logs.keys.sign(str(logs.key), head, COVERED, clock.now())
    for name in ("latest", f"{head.position:019}"):
        logs.path(name).write_bytes(documents.written(signed))
    await logs.forget_checkpoints()
    assert await logs.findings() == [Finding(Problem.REWRITTEN, COVERED)]


@pytest.mark.parametrize("forgotten", [True, False])
async def test_a_checkpoint_that_the_storage_lost_is_missed(logs: Logs, *, forgotten: bool) -> None:
    await logs.append(3)
    await logs.cover()
    if forgotten:
        await logs.forget_checkpoints()
    logs.path(f"{COVERED:019}").unlink()
    assert set(await logs.findings()) == {Finding(Problem.UNKEPT, COVERED)}


@pytest.mark.parametrize("left", [{"latest"}, {"database"}])
async def test_the_last_checkpoint_is_missed(logs: Logs, left: set[str]) -> None:
    await logs.append(3)
    last = await logs.cover()
    logs.path(f"{last.position:019}").unlink()
    if "latest" in left:
        await logs.forget_checkpoints()
    else:
        logs.path("latest").unlink()
    assert await logs.findings() == [Finding(Problem.UNKEPT, last.position)]


async def test_a_checkpoint_of_another_log_is_none(logs: Logs) -> None:
    other = dataclasses.replace(logs, key=LogKey(ORGANIZATIONS, uuid7()))
    await other.append(COVERED)
    await other.cover()
    logs.path("latest").write_bytes(other.path("latest").read_bytes())
    await logs.append(1)
    with pytest.raises(AuditLogBroken):
        await logs.cover()
    assert Problem.FORGED in {finding.problem for finding in await logs.findings()}


async def test_a_checkpoint_is_never_replaced_by_another(logs: Logs) -> None:
    await logs.append(1)
    position = COVERED + 1
    other = logs.keys.sign(str(logs.key), Head(position, bytes(32)), COVERED, clock.now())
    logs.path(f"{position:019}").write_bytes(documents.written(other))
    with pytest.raises(AuditLogBroken):
        await logs.cover()
    assert documents.read(logs.path(f"{position:019}").read_bytes()) == other
    assert logs.latest().position == COVERED


async def test_the_last_checkpoint_is_found_where_latest_is_lost_or_late(logs: Logs) -> None:
    late = logs.path("latest").read_bytes()
    await logs.append(1)
    newer = await logs.cover()
    logs.path("latest").write_bytes(late)
    await logs.append(1)
    newest = await logs.cover()
    assert newest.previous == newer.position
    logs.path("latest").unlink()
    await logs.append(1)
    assert (await logs.cover()).previous == newest.position


async def test_latest_never_goes_back(logs: Logs) -> None:
    earlier = logs.latest()
    await logs.append(1)
    newer = await logs.cover()
    kept = KeptCheckpoints(FileStorage(logs.storage, b"", ""))
    await kept.point(logs.key, earlier)
    assert logs.latest() == newer


async def test_many_who_cover_a_growing_log_at_once_find_it_whole(logs: Logs) -> None:
    async def grow() -> None:
        for _ in range(3):
            await logs.append(1)
            await logs.cover()

    await asyncio.gather(*(grow() for _ in range(8)))
    assert (await logs.cover()).position == COVERED + 24
    assert await logs.findings() == []


class Busy(FileStorage):
    """A storage so slow that the log which it keeps a checkpoint of grows meanwhile."""

    database: Database

    @asynccontextmanager
    async def write(self, key: str) -> AsyncIterator[FileWriter]:
        _, kind, owner_id, _ = key.split("/")
        log = ORGANIZATIONS if kind == "orgs" else PERSONS
        await append(self.database, LogKey(log, UUID(owner_id)))
        async with super().write(key) as writer:
            yield writer


async def test_a_round_ends_under_steady_traffic_and_comes_to_persons(
    logs: Logs, backbone: Backbone[TenancySettings]
) -> None:
    person = LogKey(PERSONS, uuid4())
    await logs.append(1)
    await append(logs.database, person)
    busy = Busy(logs.storage, b"", "")
    busy.database = logs.database
    async with asyncio.timeout(60):
        await service(backbone, busy).cover_all()
    assert (logs.storage / "audit" / str(person) / "latest.json").exists()
    assert logs.latest().position > COVERED


async def test_a_log_that_cannot_be_covered_stops_no_other(logs: Logs) -> None:
    """Each of the two fails first: its owner's id is the lowest."""
    broken, unreadable = (LogKey(ORGANIZATIONS, UUID(int=uuid4().int >> 64)) for _ in range(2))
    await append(logs.database, broken)
    await logs.admin.execute(
        b"UPDATE tenancy.audit_heads SET position = 2 WHERE org_id = %s", [broken.owner_id]
    )
    await append(logs.database, unreadable)
    directory = logs.storage / "audit" / str(unreadable)
    (directory / "latest.json").mkdir(parents=True)
    await logs.append(1)
    try:
        done = await logs.checkpoints.cover_all()
    finally:
        shutil.rmtree(directory)
        for key in (broken, unreadable):
            for table in ("audit_events", "audit_heads"):
                gone = sql.SQL("DELETE FROM tenancy.{} WHERE org_id = %s")
                await logs.admin.execute(gone.format(sql.Identifier(table)), [key.owner_id])
    assert done.broken >= 1
    assert done.failed >= 1
    assert logs.latest().position == COVERED + 1


async def test_a_broken_log_raises_the_alarm(logs: Logs) -> None:
    await logs.rewrite(3)
    await logs.forget_checkpoints()
    BROKEN.set(0)
    covered = REGISTRY.get_sample_value("tenon_audit_covered_time")

    async def alarmed() -> float | None:
        return REGISTRY.get_sample_value("tenon_audit_broken")

    writing = asyncio.create_task(CheckpointWriter(logs.checkpoints).run())
    try:
        assert await eventually(alarmed, within=60)
    finally:
        writing.cancel()
    assert REGISTRY.get_sample_value("tenon_audit_covered_time") == covered


@pytest.mark.parametrize("left", [(), ("audit_checkpoints",)])
async def test_a_whole_log_that_is_gone_is_known_all_the_same(
    logs: Logs, left: tuple[str, ...]
) -> None:
    for table in {"audit_events", "audit_heads", "audit_checkpoints"} - set(left):
        await logs.run(f"DELETE FROM tenancy.{table} WHERE org_id = %s")  # noqa: S608 # our own name
    assert logs.key in [key async for key in logs.verification.every()]
    assert await logs.findings() == [Finding(Problem.CUT, COVERED)]


async def test_an_organization_without_any_log_is_known(logs: Logs) -> None:
    org_id = uuid7()
    await logs.admin.execute(
        "INSERT INTO tenancy.organizations (id, name, create_time) VALUES (%s, 'A', now())",
        [org_id],
    )
    assert LogKey(ORGANIZATIONS, org_id) in [key async for key in logs.checkpoints.logs()]
