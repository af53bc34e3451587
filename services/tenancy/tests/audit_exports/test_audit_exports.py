"""An export has all that somebody needs who trusts nobody: lines, checkpoints, and the keys."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from services.tenancy.tests.audit_exports.exports_client import (
    FORMULA,
    MIDNIGHT,
    Client,
    append,
    as_jsonl,
    hours,
)
from tenon.tenancy.v1.audit_export_pb2 import AuditExport
from tenon_jobs import JobQueue, JobType, RetryLater, SilentDoorbell, Worker
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_rpc.times import packed_time
from tenon_tenancy.app import APP
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, AuditEvent
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_exports import service, writing
from tenon_tenancy.audit_exports.models import AT_ONCE
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers
from tenon_testing.system import System
from tenon_testing.waiting import eventually

ONLY_OURS = "audit_exports.test"


@pytest.fixture
async def client(
    system: System,
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
) -> Client:
    """The owner of a log of eight lines, an hour apart, with checkpoints after the first four and
    all.
    """
    system.start("tenancy", "worker")
    client = Client(system, tenancy, await callers.tenant())
    checkpoints = Foundation(backbone).checkpoints
    for half in (range(4), range(4, 8)):
        await append(backbone, client.tenant.org_id, half)
        await checkpoints.cover(LogKey(ORGANIZATIONS, client.tenant.org_id))
    return client


async def test_anybody_can_verify_a_whole_export(client: Client, tmp_path: Path) -> None:
    export = await client.exported(format=AuditExport.FORMAT_JSONL)
    log, checkpoints = await client.files(export.id)
    assert hours(as_jsonl(log)) == list(range(8))
    lines = log.read_bytes().splitlines()
    assert (export.lines, export.total, export.size_bytes) == (
        len(lines),
        len(lines),
        log.stat().st_size,
    )
    told = await client.verified(export.id, tmp_path)
    assert told == f"whole up to line {len(lines)}: covered up to {len(lines)}, 0 lines not yet\n"
    covered = [json.loads(line)["position"] for line in checkpoints.read_text().splitlines()]
    assert covered[-1] == len(lines)
    assert client.org_id in lines[0].decode()


async def test_a_time_is_exported_from_checkpoint_to_checkpoint(
    client: Client, tmp_path: Path
) -> None:
    export = await client.exported(
        format=AuditExport.FORMAT_JSONL,
        start_time=packed_time(MIDNIGHT + timedelta(hours=5)),
        end_time=packed_time(MIDNIGHT + timedelta(hours=6)),
    )
    log, _ = await client.files(export.id)
    assert hours(as_jsonl(log)) == [4, 5, 6, 7]
    told = await client.verified(export.id, tmp_path)
    assert "begins after line" in told
    assert "0 lines not yet" in told


async def test_a_time_without_lines_is_an_empty_file(client: Client, tmp_path: Path) -> None:
    early = packed_time(MIDNIGHT - timedelta(days=9))
    export = await client.exported(format=AuditExport.FORMAT_JSONL, end_time=early)
    log, checkpoints = await client.files(export.id)
    assert (log.read_bytes(), checkpoints.read_bytes(), export.lines) == (b"", b"", 0)
    assert "whole up to line 0" in await client.verified(export.id, tmp_path)


async def test_a_spreadsheet_runs_nothing_of_it(client: Client) -> None:
    export = await client.exported(format=AuditExport.FORMAT_CSV)
    log, _ = await client.files(export.id)
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["position"]) for row in rows] == list(range(1, export.lines + 1))
    assert all(len(row["hash"]) == 64 for row in rows)
    ours = [row for row in rows if row["action"] == "test"]
    assert hours([row["time"] for row in ours]) == list(range(8))
    assert {row["resource"] for row in ours} == {"'" + FORMULA}


async def test_exports_expire_with_their_files(
    client: Client, admin: psycopg.AsyncConnection
) -> None:
    export = await client.exported(format=AuditExport.FORMAT_JSONL)
    log, checkpoints = await client.files(export.id)
    await admin.execute(
        "UPDATE tenancy.jobs SET run_at = now() WHERE type = 'audit_exports.expire'"
        " AND payload ->> 'audit_export_id' = %s",
        [export.id],
    )

    async def is_gone() -> bool:
        return not log.exists() and not checkpoints.exists()

    await eventually(is_gone, within=30)
    assert (await client.get(export.id)).state == AuditExport.STATE_EXPIRED
    with pytest.raises(PeerError) as refused:
        await client.files(export.id)
    assert refused.value.reason == "audit_export_expired"


async def test_so_many_at_once_and_no_more(
    system: System, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WRITE", ONLY_OURS)
    async with system.serving(APP) as here:
        client = Client(system, here, await callers.tenant())
        started = await asyncio.gather(
            *(client.start(format=AuditExport.FORMAT_CSV) for _ in range(20)),
            return_exceptions=True,
        )
        refused = [one for one in started if isinstance(one, PeerError)]
        assert {one.reason for one in refused} == {"too_many_audit_exports"}
        assert len(refused) == 20 - AT_ONCE
        assert len(await client.list()) == AT_ONCE


async def test_who_goes_on_writes_the_same_lines_though_the_log_has_grown(
    system: System,
    client: Client,
    backbone: Backbone[TenancySettings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(service, "WRITE", ONLY_OURS)
    fails = iter([True])

    async def read(*arguments: Any) -> AsyncIterator[AuditEvent]:
        async for line in read_log(*arguments):
            yield line
            if next(fails, False):
                await append(backbone, client.tenant.org_id, range(8, 10))
                raise RetryLater(0.01)

    monkeypatch.setattr(writing, "read_log", read)
    async with system.serving(APP) as here:
        client = Client(system, here, client.tenant)
        export = await client.start(format=AuditExport.FORMAT_JSONL)
        async with our_worker(backbone).running():
            export = await client.ended(export.id)
        log, _ = await client.files(export.id)
        assert hours(as_jsonl(log)) == list(range(8))
        assert export.lines == export.total
        assert "0 lines not yet" in await client.verified(export.id, tmp_path)


def our_worker(backbone: Backbone[TenancySettings]) -> Worker:
    """A worker that alone writes the exports of a test."""
    queue = JobQueue(backbone.service, SilentDoorbell())
    kind = JobType(ONLY_OURS, Foundation(backbone).audit_export_tasks.write)
    return Worker(backbone.database, queue, [kind], poll_seconds=0.05, sweep_seconds=0.1)


@pytest.mark.parametrize(
    ("wanted", "pointers"),
    [
        ({}, ["/format"]),
        (
            {
                "format": AuditExport.FORMAT_CSV,
                "start_time": packed_time(MIDNIGHT),
                "end_time": packed_time(MIDNIGHT),
            },
            ["/end_time"],
        ),
    ],
    ids=["no format", "no time"],
)
async def test_refuses_what_means_nothing(
    client: Client, wanted: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(PeerError) as refused:
        await client.start(**wanted)
    assert [field.pointer for field in refused.value.fields] == pointers


async def test_what_is_not_finished_has_no_files(
    client: Client, admin: psycopg.AsyncConnection
) -> None:
    export_id = uuid4()
    await admin.execute(
        "INSERT INTO tenancy.audit_exports (org_id, id, state, format, create_time, expire_time)"
        " VALUES (%s, %s, 'running', 'csv', now(), now() + interval '1 day')",
        [client.org_id, export_id],
    )
    for asked, reason in ((export_id, "not_finished"), (uuid4(), "not_found")):
        with pytest.raises(PeerError) as refused:
            await client.files(str(asked))
        assert refused.value.reason == f"audit_export_{reason}"
