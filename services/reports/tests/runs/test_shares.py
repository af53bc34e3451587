"""Exports of one account do not keep another's waiting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.reports.tests.reports_client import ReportsClient, event
from services.reports.tests.runs.exports import export_type
from services.reports.tests.runs.test_cancel_run import exports_wait
from services.reports.tests.runs.test_going_on import (
    BODY,
    Reports,
    nothing_incoming,
    queued,
    uninterrupted,
    written_of,
)
from services.reports.tests.runs.test_runs import file_of
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.run_pb2 import Run as PackedRun
from tenon.reports.v1.run_service_pb2 import CancelRunRequest
from tenon_jobs import JobQueue, SilentDoorbell, Worker
from tenon_reports.app import services
from tenon_reports.runs import copying, exporting
from tenon_rpc.status import PeerError
from tenon_storage import storage
from tenon_testing.system import System
from tenon_testing.waiting import eventually

PART_BYTES = 20_000
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
"""Where the dataset's events begin, so that its export reads no other year's."""
CHUNK_BYTES = 5_000
PENDING = 20


@pytest.fixture
async def dataset(client: ReportsClient, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset whose export has many parts, and is looked at often."""
    monkeypatch.setattr(storage, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(copying, "CHUNK_BYTES", CHUNK_BYTES)
    monkeypatch.setattr(exporting, "TICK_SECONDS", 0.001)
    dataset = await client.create_dataset()
    await client.load(dataset.id, BODY, id_column="id")
    return dataset


def worker_of(reports: Reports) -> Worker:
    """One slot, whose holder gives it up as soon as another account waits."""
    kind = export_type(reports.database, services(reports), slice_seconds=0, account=1)
    queue = JobQueue(reports.service, SilentDoorbell())
    return Worker(
        reports.database, queue, [kind], concurrency=1, poll_seconds=0.02, sweep_seconds=0.1
    )


@asynccontextmanager
async def yielded(
    client: ReportsClient,
    stranger: ReportsClient,
    reports: Reports,
    dataset: Dataset,
    system: System,
) -> AsyncIterator[UUID]:
    """Let a long export give its slot to a stranger's, which holds it for the block; yield the long
    one's id. After the block both end.
    """
    short = await stranger.create_dataset()
    await stranger.ingest(short.id, event("a", time="1950-01-01"))
    run_id = await queued(client, reports, dataset, start=BEGIN)
    await queued(stranger, reports, short)

    async def waits() -> bool:
        run = await client.get_run(str(run_id))
        return run.state == PackedRun.STATE_QUEUED and run.progress.rows > 0

    async with worker_of(reports).running():
        async with exports_wait(system):
            await eventually(waits)
            yield run_id
        await client.finished(str(run_id))


async def test_a_long_export_gives_its_slot_up_and_goes_on(
    client: ReportsClient,
    stranger: ReportsClient,
    backbone: Reports,
    dataset: Dataset,
    system: System,
) -> None:
    expected = await uninterrupted(client, system, dataset.id)
    async with yielded(client, stranger, backbone, dataset, system) as run_id:
        waiting = await client.get_run(str(run_id))
        assert waiting.progress.phase == waiting.progress.PHASE_WAITING
    ended = await client.get_run(str(run_id))
    assert ended.state == PackedRun.STATE_SUCCEEDED, ended.failure
    assert file_of(system, await client.link(ended.id)).read_bytes() == expected


async def test_a_cancelled_export_that_waits_leaves_no_parts(
    client: ReportsClient,
    stranger: ReportsClient,
    backbone: Reports,
    dataset: Dataset,
    system: System,
) -> None:
    async with yielded(client, stranger, backbone, dataset, system) as run_id:
        assert (await written_of(client, backbone, run_id)).parts
        request = CancelRunRequest(org_id=client.org_id, run_id=str(run_id))
        await client.runs.CancelRun(request, metadata=client.tenant.metadata)
    assert (await client.get_run(str(run_id))).state == PackedRun.STATE_CANCELLED
    await eventually(lambda: nothing_incoming(system))


async def test_an_organization_has_so_many_exports_waiting(
    client: ReportsClient, system: System
) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", time="1950-01-01"))
    async with exports_wait(system):
        runs = [await client.start_run(events={"dataset_id": dataset.id}) for _ in range(PENDING)]
        with pytest.raises(PeerError) as refused:
            await client.start_run(events={"dataset_id": dataset.id})
        limit = refused.value.reason, refused.value.limit
        assert limit == ("limit_exceeded", "pending_exports_per_organization")
    assert (await client.finished(runs[-1].id)).state == PackedRun.STATE_SUCCEEDED
    await client.start_run(events={"dataset_id": dataset.id})
