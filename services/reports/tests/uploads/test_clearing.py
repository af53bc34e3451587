"""A body goes in the end, also if who received or loaded it died before it could delete it."""

from uuid import UUID

import psycopg

from services.reports.tests.reports_client import ReportsClient
from tenon_core.ids import uuid7
from tenon_jobs import JobQueue, SilentDoorbell
from tenon_reports.app import services
from tenon_reports.settings import ReportsSettings
from tenon_reports.uploads.models import body_key
from tenon_reports.uploads.service import CLEAR
from tenon_rpc.backbone import Backbone
from tenon_storage.errors import ObjectNotFound
from tenon_testing.waiting import eventually

BODY = b"time,size\n2013-01-01,1\n"


async def leave_body(
    backbone: Backbone[ReportsSettings], client: ReportsClient, upload_id: UUID
) -> None:
    """Put a body where a dead process leaves it, and make its clearing due."""
    own, org_id = services(backbone), client.tenant.org_id
    async with own.storage.write(body_key(org_id, upload_id)) as writer:
        await writer.write(BODY)
    queue = JobQueue(backbone.service, SilentDoorbell())
    async with backbone.database.tenant(org_id) as tx:
        await queue.enqueue(tx, CLEAR, {"upload_id": str(upload_id)}, org_id=org_id)


async def is_there(
    backbone: Backbone[ReportsSettings], client: ReportsClient, upload_id: UUID
) -> bool:
    try:
        await services(backbone).storage.size(body_key(client.tenant.org_id, upload_id))
    except ObjectNotFound:
        return False
    return True


async def test_a_body_that_was_never_queued_goes(
    client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    upload_id = uuid7()
    await leave_body(backbone, client, upload_id)

    async def is_gone() -> bool:
        return not await is_there(backbone, client, upload_id)

    await eventually(is_gone)


async def test_a_body_that_was_loaded_goes(
    client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    dataset = await client.create_dataset()
    upload_id = UUID((await client.load(dataset.id, BODY)).id)
    await leave_body(backbone, client, upload_id)

    async def is_gone() -> bool:
        return not await is_there(backbone, client, upload_id)

    await eventually(is_gone)


async def test_a_body_that_is_not_loaded_yet_stays(
    client: ReportsClient,
    backbone: Backbone[ReportsSettings],
    admin: psycopg.AsyncConnection,
) -> None:
    dataset = await client.create_dataset()
    upload_id = UUID((await client.load(dataset.id, BODY)).id)
    await admin.execute("UPDATE reports.uploads SET state = 'running' WHERE id = %s", [upload_id])
    await leave_body(backbone, client, upload_id)

    async def was_tried() -> bool:
        found = await admin.execute(
            "SELECT 1 FROM reports.jobs WHERE type = %s AND attempts = 1 AND state = 'queued'"
            " AND payload ->> 'upload_id' = %s",
            [CLEAR, str(upload_id)],
        )
        return await found.fetchone() is not None

    await eventually(was_tried)
    assert await is_there(backbone, client, upload_id)


async def test_clearing_is_promised_before_the_body_comes(
    client: ReportsClient, admin: psycopg.AsyncConnection
) -> None:
    dataset = await client.create_dataset()
    upload = await client.upload(dataset.id, BODY)
    found = await admin.execute(
        "SELECT run_at > now() + interval '1 hour' FROM reports.jobs"
        " WHERE type = %s AND payload ->> 'upload_id' = %s",
        [CLEAR, upload.id],
    )
    assert await found.fetchall() == [(True,)]
