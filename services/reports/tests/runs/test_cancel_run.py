"""Cancelling an export: its statement ends, and nothing of its file stays."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.dataset_service_pb2 import DeleteDatasetRequest
from tenon.reports.v1.run_pb2 import Run
from tenon.reports.v1.run_service_pb2 import CancelRunRequest
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually

IN_TIME_SECONDS = 2.0
EXPORTING = (
    "SELECT query FROM pg_stat_activity"
    " WHERE state = 'active' AND query ~ 'reports.events' AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def dataset(client: ReportsClient) -> Dataset:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", time="1950-01-01"))
    return dataset


@asynccontextmanager
async def exports_wait(system: System) -> AsyncIterator[None]:
    """Let every export wait for a lock while the block lasts."""
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as holder:
        await holder.execute("LOCK TABLE reports.events_1950 IN ACCESS EXCLUSIVE MODE")
        yield


async def cancel(client: ReportsClient, run_id: str) -> Run:
    reply = await client.runs.CancelRun(
        CancelRunRequest(org_id=client.org_id, run_id=run_id), metadata=client.tenant.metadata
    )
    run: Run = reply.run
    return run


async def running(client: ReportsClient, admin: psycopg.AsyncConnection, dataset_id: str) -> Run:
    """Start a run and wait until its statement is at work."""
    run = await client.start_run(events={"dataset_id": dataset_id})

    async def at_work() -> bool:
        state = (await client.get_run(run.id)).state
        return state == Run.STATE_RUNNING and bool(await statements(admin))

    await eventually(at_work)
    return run


async def statements(admin: psycopg.AsyncConnection) -> list[str]:
    return [row[0] for row in await (await admin.execute(EXPORTING)).fetchall()]


def files(system: System, client: ReportsClient) -> list[Path]:
    directory = system.directory / "files"
    found = [*directory.glob(f"orgs/{client.org_id}/**/*"), *directory.glob(".incoming/*")]
    return [path for path in found if path.is_file()]


async def test_a_running_export_is_cancelled_in_time(
    client: ReportsClient, dataset: Dataset, admin: psycopg.AsyncConnection, system: System
) -> None:
    async with exports_wait(system):
        run = await running(client, admin, dataset.id)
        began = time.monotonic()
        assert (await cancel(client, run.id)).state in (
            Run.STATE_CANCELLING,
            Run.STATE_CANCELLED,
        )

        async def gone() -> bool:
            return not await statements(admin)

        await eventually(gone)
        ended = await client.finished(run.id)
        assert time.monotonic() - began < IN_TIME_SECONDS
    assert ended.state == Run.STATE_CANCELLED
    assert ended.HasField("finish_time")
    assert not files(system, client)
    with pytest.raises(PeerError) as refused:
        await client.link(run.id)
    assert refused.value.reason == "run_not_finished"


async def test_a_waiting_run_is_cancelled_at_once(
    client: ReportsClient, dataset: Dataset, admin: psycopg.AsyncConnection, system: System
) -> None:
    async with exports_wait(system):
        await running(client, admin, dataset.id)
        waiting = await client.start_run(events={"dataset_id": dataset.id})
        assert (await cancel(client, waiting.id)).state == Run.STATE_CANCELLED
        with pytest.raises(PeerError) as refused:
            await client.link(waiting.id)
        assert refused.value.reason == "run_not_finished"
    assert (await client.get_run(waiting.id)).state == Run.STATE_CANCELLED


async def test_cancelling_again_changes_nothing(
    client: ReportsClient, dataset: Dataset, admin: psycopg.AsyncConnection, system: System
) -> None:
    async with exports_wait(system):
        run = await running(client, admin, dataset.id)
        await cancel(client, run.id)
        await cancel(client, run.id)
        ended = await client.finished(run.id)
    assert await cancel(client, run.id) == ended


async def test_an_export_ends_with_its_dataset(
    client: ReportsClient, dataset: Dataset, admin: psycopg.AsyncConnection, system: System
) -> None:
    async with exports_wait(system):
        await running(client, admin, dataset.id)
        await client.datasets.DeleteDataset(
            DeleteDatasetRequest(org_id=client.org_id, dataset_id=dataset.id),
            metadata=client.tenant.metadata,
        )

        async def gone() -> bool:
            return not [s for s in await statements(admin) if "COPY" in s or "count" in s]

        await eventually(gone)
    assert not files(system, client)
