import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_core.events import Event
from tenon_rpc.backbone import Backbone
from tenon_tenancy.app import consumers
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers
from tenon_testing.system import System
from tenon_testing.waiting import eventually


@pytest.fixture(autouse=True)
def worker(system: System, tenancy: grpc.aio.Channel) -> None:  # noqa: ARG001 # its server runs
    """The process that consumes the feeds."""
    system.start("tenancy", "worker")


def record(request_id: object, *, resource: str = "") -> AccessRecorded:
    return AccessRecorded(
        action="test",
        actor="users/me",
        resource=resource,
        request_id=str(request_id),
        count=1,
        access_time=Timestamp(seconds=1_800_000_000),
    )


async def publish(backbone: Backbone[TenancySettings], org_ids: Sequence[UUID]) -> None:
    """Publish a record for each of these organizations, numbered in this order."""
    for number, org_id in enumerate(org_ids):
        async with backbone.database.tenant(org_id) as tx:
            await tx.publish(Event.of(record(number), org_id=org_id))


async def log(admin: psycopg.AsyncConnection, org_id: UUID) -> list[Any]:
    """Return positions and request ids of an organization's log."""
    cursor = await admin.execute(
        "SELECT position, request_id FROM tenancy.audit_events WHERE org_id = %s ORDER BY 1",
        [org_id],
    )
    return await cursor.fetchall()


async def count(admin: psycopg.AsyncConnection, query: str, *parameters: object) -> int:
    row = await (await admin.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return int(row[0])


async def test_each_record_is_kept_once_though_several_consume(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection
) -> None:
    one, two = uuid4(), uuid4()
    own = Foundation(backbone)
    replicas = [asyncio.create_task(consumers(backbone, own)[1].run()) for _ in range(3)]
    await publish(backbone, [one, one, two] * 20)

    async def complete() -> bool:
        return len(await log(admin, one)) >= 40 and len(await log(admin, two)) >= 20

    await eventually(complete)
    for replica in replicas:
        replica.cancel()
    await asyncio.gather(*replicas, return_exceptions=True)
    for org_id, total in ((one, 40), (two, 20)):
        kept = await log(admin, org_id)
        assert [position for position, _ in kept] == list(range(1, total + 1))
        assert len({request_id for _, request_id in kept}) == total


async def test_a_feed_that_is_read_again_adds_nothing(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection
) -> None:
    org_id = uuid4()
    await publish(backbone, [org_id] * 5)

    async def complete() -> bool:
        return len(await log(admin, org_id)) == 5

    await eventually(complete)
    kept = await log(admin, org_id)

    async def caught_up() -> bool:
        """Say whether nothing that other tests have left is still to come."""
        behind = (
            "SELECT count(*) FROM tenancy.cursors JOIN (SELECT 'auth' AS source, position"
            " FROM auth.outbox_head UNION SELECT 'tenancy', position FROM tenancy.outbox_head)"
            " AS heads USING (source) WHERE cursors.position < heads.position"
        )
        return not await count(admin, behind)

    await eventually(caught_up, within=30)
    before = await count(admin, "SELECT count(*) FROM tenancy.service_audit_events")
    await admin.execute("UPDATE tenancy.cursors SET position = 0")

    async def read_again() -> bool:
        behind = "SELECT count(*) FROM tenancy.cursors WHERE position = 0 AND source = 'tenancy'"
        head = "SELECT position FROM tenancy.outbox_head"
        position = "SELECT position FROM tenancy.cursors WHERE source = 'tenancy'"
        return not await count(admin, behind) and await count(admin, position) >= await count(
            admin, head
        )

    await eventually(read_again, within=30)
    await publish(backbone, [org_id])
    await eventually(lambda: _has(admin, org_id, 6))
    assert (await log(admin, org_id))[:5] == kept
    assert await count(admin, "SELECT count(*) FROM tenancy.service_audit_events") == before


async def _has(admin: psycopg.AsyncConnection, org_id: UUID, lines: int) -> bool:
    return len(await log(admin, org_id)) == lines


async def test_what_a_person_did_for_themselves_is_their_own_log(
    callers: Callers, admin: psycopg.AsyncConnection
) -> None:
    user = await callers.user()

    async def own_log() -> list[Any]:
        query = (
            "SELECT position, action, resource FROM tenancy.personal_audit_events"
            " WHERE user_id = %s"
        )
        return await (await admin.execute(query, [user.user_id])).fetchall()

    assert await eventually(own_log) == [(1, "auth.users.sign_up", f"users/{user.user_id}")]


async def test_what_services_did_for_themselves_is_kept_apart(
    tenancy: grpc.aio.Channel, callers: Callers, admin: psycopg.AsyncConnection
) -> None:
    tenant = await callers.tenant()
    request = ListMembersRequest(org_id=str(tenant.org_id))
    await MemberServiceStub(tenancy).ListMembers(request, metadata=tenant.metadata)

    async def kept() -> int:
        return await count(
            admin,
            "SELECT count(*) FROM tenancy.service_audit_events"
            " WHERE action = 'auth.users.batch_get' AND actor = 'services/tenancy'",
        )

    await eventually(kept)


async def test_text_that_postgresql_does_not_take_stops_nothing(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection
) -> None:
    org_id = uuid4()
    async with backbone.database.tenant(org_id) as tx:
        await tx.publish(Event.of(record("r", resource="datasets/\0"), org_id=org_id))
    await eventually(lambda: _has(admin, org_id, 1))
    resource = "SELECT resource FROM tenancy.audit_events WHERE org_id = %s"
    row = await (await admin.execute(resource, [org_id])).fetchone()
    assert row == ("datasets/\ufffd",)
