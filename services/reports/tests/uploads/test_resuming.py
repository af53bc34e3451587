"""A load that was interrupted goes on where it stood, and counts every row once."""

import asyncio
from uuid import UUID

import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon.reports.v1.upload_pb2 import Upload as PackedUpload
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_jobs import Job, JobQueue, JobType, SilentDoorbell, Worker
from tenon_reports.app import services
from tenon_reports.settings import ReportsSettings
from tenon_reports.uploads import loading
from tenon_reports.uploads.loading import UploadLoader
from tenon_reports.uploads.models import Counts, Header, Upload, UploadState
from tenon_reports.uploads.repository import UploadRepository
from tenon_rpc.backbone import Backbone
from tenon_testing.waiting import eventually

ROWS = 10_000
BODY = "".join(
    ["time,size\n", *(f"2013-01-01,{n if n % 10 else 'bad'}\n" for n in range(ROWS))]
).encode()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK_ROWS", 500)


async def test_an_interrupted_load_counts_each_row_once(
    client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    dataset = await client.create_dataset()
    own, database = services(backbone), backbone.database
    loader = UploadLoader(
        database,
        own.storage,
        own.datasets,
        own.ingest,
        own.files,
        max_bytes=10**9,
        slice_seconds=60,
    )
    upload = Upload(
        org_id=client.tenant.org_id,
        id=uuid7(),
        dataset_id=UUID(dataset.id),
        user_id=client.tenant.owner.user_id,
        state=UploadState.QUEUED,
        header=Header("time", "", "", "", gzip=False),
        size_bytes=len(BODY),
        sha256=None,
        rows=0,
        counts=Counts(),
        missing_columns=(),
        rejected_parts=(),
        failure="",
        create_time=clock.now(),
        finish_time=None,
    )
    resumed_at: list[int] = []

    async def found() -> Upload:
        async with database.tenant(upload.org_id) as tx:
            present = await UploadRepository(tx).find(upload.id)
        assert present
        return present

    async def load(job: Job) -> None:
        present = await found()
        resumed_at.append(present.rows)
        loading_ = asyncio.create_task(loader.load(job, present))
        if len(resumed_at) < 4:  # interrupted as by a lost lease, wherever it stands

            async def further() -> bool:
                return (await found()).rows > present.rows

            await eventually(further)
            loading_.cancel()
        await loading_

    async with own.storage.write(upload.body_key) as writer:
        await writer.write(BODY)
    queue = JobQueue(backbone.service, SilentDoorbell())
    async with database.tenant(upload.org_id) as tx:
        await UploadRepository(tx).add(upload)
        await queue.enqueue(tx, "test.load", {}, org_id=upload.org_id)
    worker = Worker(
        database, queue, [JobType("test.load", load, first_delay=0.01)], poll_seconds=0.02
    )
    async with worker.running():

        async def ended() -> PackedUpload | None:
            present = await client.get_upload(str(upload.id))
            return present if present.state == PackedUpload.STATE_SUCCEEDED else None

        loaded = await eventually(ended, within=30)
    assert loaded
    assert resumed_at == sorted(set(resumed_at))
    assert (loaded.accepted, loaded.rejected) == (ROWS * 9 // 10, ROWS // 10)
    assert loaded.duplicates + loaded.conflicts == 0
    assert await client.rows(dataset.id) == [[ROWS * 9.0 / 10]]
    told = (await client.rejected(loaded.id)).splitlines()
    assert [line.split(",")[0] for line in told[1:]] == [str(n) for n in range(2, ROWS + 2, 10)]
