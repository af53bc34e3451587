"""What an organization does with its datasets, uploads, runs and queries."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.dataset_service_pb2 import (
    DeleteDatasetRequest,
    GetDatasetRequest,
    ListDatasetsRequest,
    UpdateDatasetRequest,
)
from tenon.reports.v1.run_pb2 import Run
from tenon.reports.v1.run_service_pb2 import CancelRunRequest, ListRunsRequest
from tenon_reports import app as reports_app
from tenon_reports.uploads.repository import UploadRepository
from tenon_rpc.backbone import open_backbone
from tenon_rpc.status import PeerError
from tenon_testing.callers import Tenant
from tests.isolation.stage import Stage, pages


async def use_reports(stage: Stage, tenant: Tenant) -> None:
    """Load, ask for, export, cancel and delete all that there is of an organization's."""
    client = ReportsClient(stage.reports, tenant)
    dataset = await _fill(client)
    upload = await client.upload(dataset, b"time,color,size\n2026-01-01,red,1\n,x,y\n")
    colorless = await client.upload(dataset, b"time,size\n2026-01-02,2\n")
    await _let_wait(stage, client, upload.id)
    runs = [await client.start_run(events={"dataset_id": dataset}) for _ in range(4)]
    await _look_at_runs(client)
    await _cancel(stage, client, runs[2:])
    async with AsyncExitStack() as stack:
        await stage.working(stack)
        await stage.until(lambda: _ended(client, runs))
        await stage.until(lambda: _loaded(client, upload.id))
        await stage.until(lambda: _loaded(client, colorless.id))
        await client.rejected(upload.id)
        await client.link(runs[0].id)
        await _expire(stage, client, runs[0].id)
    await _delete_with_a_run(stage, client, dataset)
    await _meet_what_is_deleted(stage, client, dataset, runs[0].id, upload.id)
    async with AsyncExitStack() as stack:
        await stage.working(stack)
        gone = "SELECT NOT EXISTS (SELECT FROM reports.datasets WHERE id = %s AND org_id = %s)"
        await stage.until(lambda: stage.scalar(gone, dataset, client.org_id))


async def _fill(client: ReportsClient) -> str:
    """Make datasets, change one, and give it events, some of them twice."""
    await client.create_dataset()
    dataset = (await client.create_dataset()).id
    named = {"org_id": client.org_id, "dataset_id": dataset}
    metadata = client.tenant.metadata
    await client.datasets.GetDataset(GetDatasetRequest(**named), metadata=metadata)
    change = UpdateDatasetRequest(
        org_id=client.org_id,
        dataset_id=dataset,
        name="Renamed",
        update_mask=FieldMask(paths=["name"]),
    )
    await client.datasets.UpdateDataset(change, metadata=metadata)
    await pages(
        client.datasets.ListDatasets, ListDatasetsRequest, client.tenant, org_id=client.org_id
    )
    await client.ingest(dataset, event("1", dimensions={"color": "red"}, measures={"size": 1}))
    await client.ingest(dataset, event("1", dimensions={"color": "red"}, measures={"size": 1}))
    await client.rows(dataset, dimensions=["color"])
    return dataset


async def _look_at_runs(client: ReportsClient) -> None:
    await pages(client.runs.ListRuns, ListRunsRequest, client.tenant, org_id=client.org_id)


async def _cancel(stage: Stage, client: ReportsClient, runs: Sequence[Run]) -> None:
    """Cancel a run that waits, and one that is being written."""
    await _be_written(stage, client, runs[1])
    for run in runs:
        request = CancelRunRequest(org_id=client.org_id, run_id=run.id)
        await client.runs.CancelRun(request, metadata=client.tenant.metadata)


async def _let_wait(stage: Stage, client: ReportsClient, upload_id: str) -> None:
    """Do what a worker does while the storage is full."""
    settings = stage.system.settings(reports_app.APP)
    async with (
        open_backbone("reports", settings) as backbone,
        backbone.database.tenant(client.tenant.org_id) as tx,
    ):
        await UploadRepository(tx).wait(UUID(upload_id), "full")


async def _ended(client: ReportsClient, runs: Sequence[Run]) -> bool:
    states = {(await client.get_run(run.id)).state for run in runs}
    return states == {Run.STATE_SUCCEEDED, Run.STATE_CANCELLED}


async def _loaded(client: ReportsClient, upload_id: str) -> bool:
    return (await client.get_upload(upload_id)).finish_time.seconds > 0


async def _expire(stage: Stage, client: ReportsClient, run_id: str) -> None:
    due = "UPDATE reports.jobs SET run_at = now() WHERE type = 'runs.expire' AND org_id = %s"
    await stage.admin.execute(due.encode(), [client.org_id])

    async def expired() -> bool:
        return (await client.get_run(run_id)).state == Run.STATE_EXPIRED

    await stage.until(expired)


async def _delete_with_a_run(stage: Stage, client: ReportsClient, dataset: str) -> None:
    """Delete a dataset while a run of it is being written."""
    run = await client.start_run(events={"dataset_id": dataset})
    await _be_written(stage, client, run)
    request = DeleteDatasetRequest(org_id=client.org_id, dataset_id=dataset)
    await client.datasets.DeleteDataset(request, metadata=client.tenant.metadata)


async def _be_written(stage: Stage, client: ReportsClient, run: Run) -> None:
    """Say that a worker is at this run."""
    writing = "UPDATE reports.runs SET state = 'running' WHERE id = %s AND org_id = %s"
    await stage.admin.execute(writing.encode(), [run.id, client.org_id])


async def _meet_what_is_deleted(
    stage: Stage, client: ReportsClient, dataset: str, run: str, upload: str
) -> None:
    """Ask for what went with its dataset, while the shadow's dataset is not deleted."""
    revive = "UPDATE reports.datasets SET delete_time = NULL WHERE id = %s AND org_id <> %s"
    await stage.admin.execute(revive.encode(), [dataset, client.org_id])
    for asked in (client.get_run(run), client.get_upload(upload)):
        with pytest.raises(PeerError):
            await asked
    request = ListRunsRequest(org_id=client.org_id)
    listed = await client.runs.ListRuns(request, metadata=client.tenant.metadata)
    assert not listed.items
    follow = "UPDATE reports.datasets SET name = name WHERE id = %s AND org_id = %s"
    await stage.admin.execute(follow.encode(), [dataset, client.org_id])
