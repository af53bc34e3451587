"""What becomes of runs after their work: expired files, and failures for good."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon.reports.v1.events_pb2 import RunFailed, RunSucceeded
from tenon.reports.v1.run_pb2 import Run as PackedRun
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_jobs import GiveUp, Job, JobQueue, JobType, SilentDoorbell, Worker
from tenon_reports.app import services
from tenon_reports.queries.models import EventsAsked
from tenon_reports.runs.exporting import EXPIRE, RunExporter
from tenon_reports.runs.models import Phase, Progress, Run, RunState
from tenon_reports.runs.repository import RunRepository
from tenon_reports.runs.tasks import GIVEN_UP, RunTasks
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import Backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually


async def published(
    feed: PeerFeed, client: ReportsClient, kind: type[RunFailed] | type[RunSucceeded]
) -> list[RunFailed | RunSucceeded]:
    """Wait for what the feed tells of the client's organization."""

    async def payloads() -> list[RunFailed | RunSucceeded]:
        events, _ = await feed.pull(0, [kind.DESCRIPTOR.full_name], 1_000)
        own = [event.payload for event in events if event.org_id == client.tenant.org_id]
        return [kind.FromString(payload) for payload in own]

    return await eventually(payloads)


async def test_a_run_that_succeeded_is_published(feed: PeerFeed, client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    user_id = str(client.tenant.owner.user_id)
    expected = RunSucceeded(org_id=client.org_id, run_id=run.id, user_id=user_id)
    assert await published(feed, client, RunSucceeded) == [expected]


async def test_an_expired_file_is_deleted(
    client: ReportsClient, backbone: Backbone[ReportsSettings], system: System
) -> None:
    dataset = await client.create_dataset()
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    queue = JobQueue(backbone.service, SilentDoorbell())
    async with backbone.database.tenant(client.tenant.org_id) as tx:
        await queue.enqueue(
            tx,
            EXPIRE,
            {"run_id": run.id},
            org_id=client.tenant.org_id,
            run_at=clock.now() - timedelta(seconds=1),
        )

    async def expired() -> bool:
        return (await client.get_run(run.id)).state == PackedRun.STATE_EXPIRED

    await eventually(expired)
    with pytest.raises(PeerError) as refused:
        await client.link(run.id)
    assert refused.value.reason == "file_expired"

    async def gone() -> bool:
        directory = system.directory / "files" / "orgs" / client.org_id
        return not [path for path in directory.rglob("*") if path.is_file()]

    await eventually(gone)


async def test_a_run_that_failed_for_good_says_so(
    feed: PeerFeed, client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    dataset = await client.create_dataset()
    own, database = services(backbone), backbone.database
    exporter = RunExporter(
        database, own.queue, own.storage, own.datasets, own.files, slice_seconds=60
    )
    tasks = RunTasks(database, own.files, exporter)
    run = Run(
        org_id=client.tenant.org_id,
        id=uuid7(),
        dataset_id=UUID(dataset.id),
        user_id=client.tenant.owner.user_id,
        state=RunState.QUEUED,
        format="csv",
        source=EventsAsked(dataset.id),
        generation=0,
        progress=Progress(Phase.WAITING),
        size_bytes=0,
        failure="",
        create_time=clock.now(),
        finish_time=None,
        expire_time=None,
    )

    async def fail(job: Job) -> None:
        raise GiveUp(str(job.id))

    queue = JobQueue(backbone.service, SilentDoorbell())
    async with database.tenant(run.org_id) as tx:
        await RunRepository(tx).add(run)
        await queue.enqueue(tx, "test.fail", {"run_id": str(run.id)}, org_id=run.org_id)
    failing = JobType("test.fail", fail, on_failed=tasks.give_up)
    async with Worker(database, queue, [failing], poll_seconds=0.02).running():
        ended = await client.finished(str(run.id))
    assert (ended.state, ended.failure) == (PackedRun.STATE_FAILED, GIVEN_UP)
    user_id = str(client.tenant.owner.user_id)
    expected = RunFailed(org_id=client.org_id, run_id=str(run.id), user_id=user_id)
    assert await published(feed, client, RunFailed) == [expected]
