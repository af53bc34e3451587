"""What somebody looks for in a log is found, and no more than that is read."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tenon.tenancy.v1.audit_event_service_pb2 import (
    ListAuditEventsRequest,
    ListAuditEventsResponse,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceStub
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_rpc.times import packed_time
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers, Tenant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA, BOB = "users/ada", "api-keys/bob"
RUN, RUNS, LIST = "reports.runs.start", "reports.runs.list", "tenancy.members.list"


def access(actor: str, action: str, resource: str, minutes: int) -> Access:
    at = NOON + timedelta(minutes=minutes)
    return Access(uuid4(), action, actor, resource, None, "r", 1, at)


LINES = [
    access(ADA, RUN, "datasets/1", 0),
    access(BOB, RUN, "datasets/2", 1),
    access(BOB, LIST, "", 2),
    access(ADA, RUNS, "datasets/1", 90),
    access(BOB, RUN, "datasets/1", -70),  # reported late
    access(ADA, LIST, "", 91),
]


@pytest.fixture
async def tenant(callers: Callers, backbone: Backbone[TenancySettings]) -> Tenant:
    tenant = await callers.tenant()
    async with backbone.database.tenant(tenant.org_id) as tx:
        await AuditEventRepository(tx).append(LINES)
    return tenant


async def page(tenancy: grpc.aio.Channel, tenant: Tenant, **wanted: Any) -> ListAuditEventsResponse:
    request = ListAuditEventsRequest(org_id=str(tenant.org_id), **wanted)
    reply: ListAuditEventsResponse = await AuditEventServiceStub(tenancy).ListAuditEvents(
        request, metadata=tenant.metadata
    )
    return reply


def after(minutes: int) -> Timestamp:
    return packed_time(NOON + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"actor": ADA}, [5, 3, 0]),
        ({"action": RUN}, [4, 1, 0]),
        ({"action": "reports."}, [4, 3, 1, 0]),
        ({"action": "reports.runs."}, [4, 3, 1, 0]),
        ({"action": "report."}, []),
        ({"resource": "datasets/1"}, [4, 3, 0]),
        ({"start_time": after(1), "end_time": after(90)}, [2, 1]),
        ({"start_time": after(-100), "end_time": after(1)}, [4, 0]),
        ({"end_time": after(-71)}, []),
        ({"start_time": after(91), "end_time": after(3_000)}, [5]),
        ({"actor": BOB, "action": "reports.", "resource": "datasets/1"}, [4]),
        ({"actor": ADA, "start_time": after(0), "end_time": after(91)}, [3, 0]),
        ({"action": "tenancy.members.", "end_time": after(91)}, [2]),
    ],
    ids=str,
)
async def test_all_filters_that_are_given_hold(
    tenancy: grpc.aio.Channel, tenant: Tenant, wanted: dict[str, Any], found: list[int]
) -> None:
    ids = [str(line.id) for line in LINES]
    seen, token = list[str](), ""
    while token or not seen:
        reply = await page(tenancy, tenant, **wanted, page_size=2, page_token=token)
        seen += [item.id for item in reply.items]
        if not (token := reply.next_page_token):
            break
    assert [ids.index(one) for one in seen if one in ids] == found


async def test_a_page_token_belongs_to_its_filters(
    tenancy: grpc.aio.Channel, tenant: Tenant
) -> None:
    wanted = {"actor": ADA, "page_size": 1}
    token = (await page(tenancy, tenant, **wanted)).next_page_token
    assert (await page(tenancy, tenant, **wanted, page_token=token)).items
    for other in ({"actor": BOB}, {"actor": ADA, "action": RUN}, {}):
        with pytest.raises(PeerError) as refused:
            await page(tenancy, tenant, **other, page_token=token)
        assert [field.pointer for field in refused.value.fields] == ["/page_token"]


@pytest.mark.parametrize(
    ("wanted", "pointers"),
    [
        (
            {"actor": "ada", "action": "Reports", "resource": "\0"},
            ["/actor", "/action", "/resource"],
        ),
        ({"actor": "users/", "action": "reports..start"}, ["/actor", "/action"]),
        ({"resource": "x" * 501}, ["/resource"]),
        ({"start_time": after(1), "end_time": after(1)}, ["/end_time"]),
        ({"start_time": Timestamp(seconds=10**12)}, ["/start_time"]),
    ],
)
async def test_what_could_never_be_found_is_refused(
    tenancy: grpc.aio.Channel, tenant: Tenant, wanted: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(PeerError) as refused:
        await page(tenancy, tenant, **wanted)
    assert [field.pointer for field in refused.value.fields] == pointers


async def test_a_resource_may_be_as_long_as_somebody_likes(
    tenancy: grpc.aio.Channel, tenant: Tenant, backbone: Backbone[TenancySettings]
) -> None:
    long, longer = secrets.token_hex(250), secrets.token_hex(50_000)
    lines = [access(ADA, RUN, resource, 0) for resource in (long, long[:-1], longer)]
    async with backbone.database.tenant(tenant.org_id) as tx:
        await AuditEventRepository(tx).append(lines)
    found = (await page(tenancy, tenant, resource=long)).items
    assert [item.id for item in found] == [str(lines[0].id)]


async def test_lines_of_an_older_version_are_found_too(
    tenancy: grpc.aio.Channel, tenant: Tenant, admin: psycopg.AsyncConnection
) -> None:
    await admin.execute(
        "INSERT INTO tenancy.audit_events (org_id, position, id, action, actor, resource,"
        " request_id, count, event_time) VALUES (%s, 1000, %s, 'old.action', 'users/old', '', '',"
        " 1, %s)",
        [tenant.org_id, uuid4(), NOON - timedelta(days=9)],
    )
    for wanted in ({"action": "old."}, {"end_time": after(-1_440)}):
        assert [item.actor for item in (await page(tenancy, tenant, **wanted)).items] == [
            "users/old"
        ]
