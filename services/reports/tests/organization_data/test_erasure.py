"""Whoever is on the way to write for an organization that is deleted leaves nothing behind. Of what
lies there, see tests/isolation.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.upload_service_pb2 import CreateUploadRequest, UploadHeader
from tenon.tenancy.v1.events_pb2 import OrganizationDeleted
from tenon_core.ids import uuid7
from tenon_reports.app import services
from tenon_reports.ingest.batch import batch_of_events
from tenon_reports.ingest.models import NewEvent
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually

HELD = ("datasets", "events", "event_keys", "uploads", "runs")

Delete: TypeAlias = Callable[[ReportsClient], Awaitable[None]]


@pytest.fixture
def delete(admin: psycopg.AsyncConnection) -> Delete:
    """Let tenancy say that an organization is no more, and wait until reports has heard it."""

    async def delete(client: ReportsClient) -> None:
        deleted = OrganizationDeleted(org_id=client.org_id)
        kind = OrganizationDeleted.DESCRIPTOR.full_name
        await admin.execute(
            "INSERT INTO tenancy.outbox (id, type, org_id, event_time, payload)"
            " VALUES (%s, %s, %s, now(), %s)",
            [uuid7(), kind, client.org_id, deleted.SerializeToString()],
        )

        async def is_heard() -> bool:
            query = "SELECT count(*) FROM reports.deleted_organizations WHERE org_id = %s"
            return await number(admin, query, client.org_id) == 1

        await eventually(is_heard, within=30)

    return delete


async def number(admin: psycopg.AsyncConnection, query: str, *parameters: object) -> int:
    row = await (await admin.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return int(row[0])


async def erased(admin: psycopg.AsyncConnection, client: ReportsClient) -> None:
    """Wait until reports says that nothing is left, and see that nothing is."""

    async def told() -> bool:
        query = (
            "SELECT count(*) FROM reports.outbox WHERE org_id = %s"
            " AND type = 'tenon.privacy.v1.OrganizationDataErased'"
        )
        return await number(admin, query, client.org_id) > 0

    await eventually(told, within=30)
    for name in HELD:
        count = sql.SQL("SELECT count(*) FROM {} WHERE org_id = %s")
        held = await admin.execute(count.format(sql.Identifier("reports", name)), [client.org_id])
        assert await held.fetchone() == (0,), name


def files(system: System, client: ReportsClient) -> list[Path]:
    folder = system.directory / "files" / "orgs" / client.org_id
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_an_upload_that_is_being_received(
    client: ReportsClient, delete: Delete, admin: psycopg.AsyncConnection, system: System
) -> None:
    """Its sender's grants are left out of it, which would end it sooner."""
    dataset, sent = await client.create_dataset(), asyncio.Event()

    async def parts() -> AsyncIterator[CreateUploadRequest]:
        header = UploadHeader(dataset_id=dataset.id, time_column="time")
        yield CreateUploadRequest(org_id=client.org_id, header=header)
        yield CreateUploadRequest(org_id=client.org_id, chunk=b"time,size\n")
        await sent.wait()
        yield CreateUploadRequest(org_id=client.org_id, chunk=b"2013-01-01,1\n")

    upload = asyncio.create_task(client.send(parts()))
    await delete(client)
    await erased(admin, client)
    sent.set()
    with pytest.raises(PeerError) as refused:
        await upload
    assert refused.value.reason == "dataset_not_found"
    assert files(system, client) == []


async def test_events_that_are_being_taken(
    client: ReportsClient,
    delete: Delete,
    admin: psycopg.AsyncConnection,
    backbone: Backbone[ReportsSettings],
) -> None:
    """They are waited for, and go with the rest."""
    own, dataset_id = services(backbone), UUID((await client.create_dataset()).id)
    await client.ingest(str(dataset_id), event("1"))
    new = [NewEvent("2", "2024-05-01T12:00:00Z", {}, {})]
    async with backbone.database.tenant(client.tenant.org_id) as tx:
        dataset = await own.datasets.get_within(tx, dataset_id)
        taken = await own.ingest.take_within(tx, dataset, batch_of_events(dataset, new))
        assert taken.accepted == 1
        await delete(client)
    await erased(admin, client)
    query = "SELECT rows FROM reports.deleted_organizations WHERE org_id = %s"
    assert (
        await number(admin, query, client.org_id) == 6
    )  # two events, two keys, their count, the dataset


async def test_a_run_that_is_being_written(
    client: ReportsClient,
    delete: Delete,
    admin: psycopg.AsyncConnection,
    backbone: Backbone[ReportsSettings],
    system: System,
) -> None:
    """Also the parts of its file, of which its row alone knows."""
    storage, dataset = services(backbone).storage, await client.create_dataset()
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    name = await storage.begin(f"orgs/{client.org_id}/runs/{run.id}/file.csv")
    part = system.directory / "files" / ".incoming" / name
    assert part.exists()
    written = '{"name": "%s", "dimensions": 1, "measures": 1}' % name  # noqa: UP031 # braces of JSON
    await admin.execute(
        "UPDATE reports.runs SET state = 'running', written = %s::jsonb WHERE id = %s",
        [written, run.id],
    )
    await delete(client)
    await erased(admin, client)
    assert not part.exists()
    assert files(system, client) == []


async def test_what_comes_later_is_unknown_here(
    client: ReportsClient, stranger: ReportsClient, delete: Delete, admin: psycopg.AsyncConnection
) -> None:
    dataset = await client.create_dataset()
    await delete(client)
    await erased(admin, client)
    for late, reason in (
        (client.create_dataset(), "not_found"),
        (client.ingest(dataset.id, event("1")), "dataset_not_found"),
        (client.start_run(events={"dataset_id": dataset.id}), "dataset_not_found"),
    ):
        with pytest.raises(PeerError) as refused:
            await late
        assert refused.value.reason == reason
    assert await stranger.create_dataset()
