"""A body that no upload came of goes in the end; one whose upload may be there stays."""

from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon.reports.v1.upload_service_pb2 import DESCRIPTOR
from tenon_core.errors import Unavailable
from tenon_core.ids import uuid7
from tenon_jobs import JobQueue, SilentDoorbell
from tenon_policy.call import Call
from tenon_policy.policies import read_policy
from tenon_reports.app import services
from tenon_reports.limits import pending_uploads
from tenon_reports.settings import ReportsSettings
from tenon_reports.uploads.models import Header, Upload, body_key
from tenon_reports.uploads.service import RECLAIM, UploadService
from tenon_rpc.backbone import Backbone
from tenon_storage.errors import ObjectNotFound
from tenon_testing.waiting import eventually

BODY = b"time,size\n2013-01-01,1\n"
POLICY = read_policy(DESCRIPTOR.services_by_name["UploadService"].methods_by_name["CreateUpload"])


class LosesItsReply(UploadService):
    """Whose COMMIT is done, and whose answer to it is lost."""

    async def _add(self, call: Call, upload: Upload) -> None:
        await super()._add(call, upload)
        raise Unavailable


async def leave_body(
    backbone: Backbone[ReportsSettings], client: ReportsClient, upload_id: UUID
) -> None:
    """Put a body where a dead process leaves it, and make its reclaiming due."""
    own, org_id = services(backbone), client.tenant.org_id
    async with own.storage.write(body_key(org_id, upload_id)) as writer:
        await writer.write(BODY)
    queue = JobQueue(backbone.service, SilentDoorbell())
    async with backbone.database.tenant(org_id) as tx:
        await queue.enqueue(tx, RECLAIM, {"upload_id": str(upload_id)}, org_id=org_id)


async def is_there(
    backbone: Backbone[ReportsSettings], client: ReportsClient, upload_id: UUID
) -> bool:
    try:
        await services(backbone).storage.size(body_key(client.tenant.org_id, upload_id))
    except ObjectNotFound:
        return False
    return True


async def gone(backbone: Backbone[ReportsSettings], client: ReportsClient, upload_id: UUID) -> None:
    async def is_gone() -> bool:
        return not await is_there(backbone, client, upload_id)

    await eventually(is_gone)


async def test_a_body_without_an_upload_goes(
    client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    upload_id = uuid7()
    await leave_body(backbone, client, upload_id)
    assert await is_there(backbone, client, upload_id)
    await gone(backbone, client, upload_id)


async def test_a_body_with_an_upload_stays(
    client: ReportsClient, backbone: Backbone[ReportsSettings], admin: psycopg.AsyncConnection
) -> None:
    dataset = await client.create_dataset()
    upload_id = UUID((await client.load(dataset.id, BODY)).id)
    await gone(backbone, client, upload_id)  # as after each load
    await leave_body(backbone, client, upload_id)

    async def was_looked_at() -> bool:
        found = await admin.execute(
            "SELECT 1 FROM reports.jobs WHERE type = %s AND state = 'succeeded'"
            " AND payload ->> 'upload_id' = %s",
            [RECLAIM, str(upload_id)],
        )
        return await found.fetchone() is not None

    await eventually(was_looked_at)
    assert await is_there(backbone, client, upload_id)


async def test_reclaiming_is_promised_before_the_body_comes(
    client: ReportsClient, admin: psycopg.AsyncConnection
) -> None:
    dataset = await client.create_dataset()
    upload = await client.upload(dataset.id, BODY)
    found = await admin.execute(
        "SELECT run_at > now() + interval '1 hour' FROM reports.jobs"
        " WHERE type = %s AND payload ->> 'upload_id' = %s",
        [RECLAIM, upload.id],
    )
    assert await found.fetchall() == [(True,)]


async def test_an_upload_whose_commit_was_not_answered_is_loaded(
    client: ReportsClient, backbone: Backbone[ReportsSettings]
) -> None:
    dataset = await client.create_dataset()
    own = services(backbone)
    losing = LosesItsReply(
        backbone.database,
        own.queue,
        own.storage,
        own.datasets,
        max_bytes=10**9,
        slots=1,
        pending=pending_uploads(backbone.settings),
    )
    owner = client.tenant.owner
    call = Call("1", POLICY, "gateway", user_id=owner.user_id, org_id=client.tenant.org_id)

    async def chunks() -> AsyncIterator[bytes]:
        yield BODY

    with pytest.raises(Unavailable):
        await losing.create(
            call, UUID(dataset.id), Header("time", "", "", "", gzip=False), chunks()
        )

    async def is_loaded() -> bool:
        return await client.rows(dataset.id) == [[1.0]]

    await eventually(is_loaded)
