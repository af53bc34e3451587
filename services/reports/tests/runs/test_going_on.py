"""An export whose worker is gone goes on where it stood, and the file is as if nothing had been."""

import asyncio
import signal
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from services.reports.tests.reports_client import ReportsClient
from services.reports.tests.runs.exports import PART_BYTES, TEST_EXPORT, export_type
from services.reports.tests.runs.test_runs import file_of
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.dataset_service_pb2 import UpdateDatasetRequest
from tenon.reports.v1.run_pb2 import Run as PackedRun
from tenon.reports.v1.run_service_pb2 import CancelRunRequest
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_jobs import JobQueue, SilentDoorbell, Worker
from tenon_reports.app import services
from tenon_reports.queries.models import EventsAsked
from tenon_reports.runs.models import Phase, Progress, Run, RunState, Written
from tenon_reports.runs.repository import RunRepository
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import Backbone
from tenon_storage import storage
from tenon_storage.file_parts import FilePartWriter
from tenon_testing.service_process import environment
from tenon_testing.system import System
from tenon_testing.waiting import eventually

ROWS = 30_000
# Many events at one time, ids that no order but theirs tells apart, cells over several lines.
BODY = "".join(
    [
        "time,id,color,size\n",
        *(f'2024-01-{n // 7000 + 1:02},"={n * 7919 % ROWS}","red\n{n}",{n}\n' for n in range(ROWS)),
    ]
).encode()

Reports = Backbone[ReportsSettings]


@pytest.fixture
async def dataset(client: ReportsClient) -> Dataset:
    dataset = await client.create_dataset()
    loaded = await client.load(dataset.id, BODY, id_column="id")
    assert loaded.accepted == ROWS
    return dataset


@pytest.fixture
def written_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all that this process writes in parts, which are small."""
    sizes: list[int] = []
    write = FilePartWriter.write

    async def counted(self: FilePartWriter, chunk: bytes) -> None:
        sizes.append(len(chunk))
        await write(self, chunk)

    monkeypatch.setattr(storage, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(FilePartWriter, "write", counted)
    return sizes


async def uninterrupted(client: ReportsClient, system: System, dataset_id: str) -> bytes:
    run = await client.finished((await client.start_run(events={"dataset_id": dataset_id})).id)
    assert run.state == PackedRun.STATE_SUCCEEDED, run.failure
    return file_of(system, await client.link(run.id)).read_bytes()


async def queued(
    client: ReportsClient, reports: Reports, dataset: Dataset, start: datetime | None = None
) -> UUID:
    """Make a run that only the tests' workers do."""
    run_id, queue = uuid7(), JobQueue(reports.service, SilentDoorbell())
    run = Run(
        org_id=client.tenant.org_id,
        id=run_id,
        dataset_id=UUID(dataset.id),
        user_id=client.tenant.owner.user_id,
        state=RunState.QUEUED,
        format="csv",
        source=EventsAsked(dataset.id, start=start),
        generation=1_000_000,
        progress=Progress(Phase.WAITING),
        size_bytes=0,
        failure="",
        create_time=clock.now(),
        finish_time=None,
        expire_time=None,
    )
    async with reports.database.tenant(run.org_id) as tx:
        await RunRepository(tx).add(run)
        payload = {"run_id": str(run_id)}
        await queue.enqueue(tx, TEST_EXPORT, payload, org_id=run.org_id)
    return run_id


async def killed(system: System, parts: int) -> None:
    """Run a worker until it is killed, after so many parts."""
    values = system.values("reports", "reports-worker")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.reports.tests.runs.dying_worker",
        str(parts),
        env=environment("reports", values),
        cwd=Path(__file__).parents[4],
    )
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def written_of(client: ReportsClient, reports: Reports, run_id: UUID) -> Written:
    async with reports.database.tenant(client.tenant.org_id) as tx:
        run = await RunRepository(tx).find(run_id)
    assert run
    assert run.written
    return run.written


async def finished(client: ReportsClient, system: System, reports: Reports, run_id: UUID) -> bytes:
    """Let another worker end the run, and return the file."""
    kind = export_type(reports.database, services(reports))
    queue = JobQueue(reports.service, SilentDoorbell())
    worker = Worker(reports.database, queue, [kind], poll_seconds=0.05, sweep_seconds=0.1)
    async with worker.running():
        run = await client.finished(str(run_id))
    assert run.state == PackedRun.STATE_SUCCEEDED, run.failure
    assert run.progress.rows == ROWS
    content = file_of(system, await client.link(run.id)).read_bytes()
    assert run.size_bytes == len(content)
    return content


async def test_after_sigkill_only_the_rest_is_written(
    client: ReportsClient,
    backbone: Reports,
    dataset: Dataset,
    system: System,
    written_bytes: list[int],
) -> None:
    run_id = await queued(client, backbone, dataset)
    await killed(system, parts=3)
    before = await written_of(client, backbone, run_id)
    assert len(before.parts) == 3
    content = await finished(client, system, backbone, run_id)
    assert content == await uninterrupted(client, system, dataset.id)
    assert sum(written_bytes) == len(content) - before.size_bytes


async def test_after_many_sigkills_the_file_is_the_same(
    client: ReportsClient,
    backbone: Reports,
    dataset: Dataset,
    system: System,
    written_bytes: list[int],
) -> None:
    run_id = await queued(client, backbone, dataset)
    await killed(system, parts=0)
    await killed(system, parts=2)
    content = await finished(client, system, backbone, run_id)
    assert content == await uninterrupted(client, system, dataset.id)
    assert sum(written_bytes) < len(content)


async def test_columns_that_were_added_meanwhile_are_not_in_the_file(
    client: ReportsClient, backbone: Reports, dataset: Dataset, system: System
) -> None:
    expected = await uninterrupted(client, system, dataset.id)
    run_id = await queued(client, backbone, dataset)
    await killed(system, parts=1)
    request = UpdateDatasetRequest(
        org_id=client.org_id, dataset_id=dataset.id, dimensions=["color", "shape"]
    )
    request.update_mask.paths.append("dimensions")
    await client.datasets.UpdateDataset(request, metadata=client.tenant.metadata)
    assert await finished(client, system, backbone, run_id) == expected


async def test_parts_that_are_damaged_are_written_anew(
    client: ReportsClient,
    backbone: Reports,
    dataset: Dataset,
    system: System,
    written_bytes: list[int],
) -> None:
    """The positive control of going on: here all of it is written again."""
    run_id = await queued(client, backbone, dataset)
    await killed(system, parts=2)
    written = await written_of(client, backbone, run_id)
    with (system.directory / "files" / ".incoming" / written.name).open("r+b") as file:
        file.write(b"x")
    content = await finished(client, system, backbone, run_id)
    assert content == await uninterrupted(client, system, dataset.id)
    assert sum(written_bytes) == len(content)
    await eventually(lambda: nothing_incoming(system))


async def test_a_cancelled_runs_parts_are_deleted(
    client: ReportsClient, backbone: Reports, dataset: Dataset, system: System
) -> None:
    run_id = await queued(client, backbone, dataset)
    await killed(system, parts=2)
    await client.runs.CancelRun(
        CancelRunRequest(org_id=client.org_id, run_id=str(run_id)), metadata=client.tenant.metadata
    )
    kind = export_type(backbone.database, services(backbone))
    queue = JobQueue(backbone.service, SilentDoorbell())
    worker = Worker(backbone.database, queue, [kind], poll_seconds=0.05, sweep_seconds=0.1)
    async with worker.running():
        ended = await client.finished(str(run_id))
    assert ended.state == PackedRun.STATE_CANCELLED
    await eventually(lambda: nothing_incoming(system))


async def nothing_incoming(system: System) -> bool:
    return not list((system.directory / "files" / ".incoming").iterdir())
