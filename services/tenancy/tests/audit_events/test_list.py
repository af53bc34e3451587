from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from tenon.tenancy.v1.audit_event_service_pb2 import (
    ListAuditEventsRequest,
    ListAuditEventsResponse,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceStub
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest, RemoveMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_core import clock
from tenon_db.pages import encode_token
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def page(
    tenancy: grpc.aio.Channel, caller: Caller, org_id: object, size: int = 0, token: str = ""
) -> ListAuditEventsResponse:
    request = ListAuditEventsRequest(org_id=str(org_id), page_size=size, page_token=token)
    reply: ListAuditEventsResponse = await AuditEventServiceStub(tenancy).ListAuditEvents(
        request, metadata=caller.metadata
    )
    return reply


def access(action: str) -> Access:
    return Access(uuid4(), action, "users/me", "", None, "r", 1, clock.now())


async def test_shows_who_did_what_newest_first(
    system: System, tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    system.start("tenancy", "worker")
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    org_id = str(tenant.org_id)
    stub = MemberServiceStub(tenancy)
    await stub.ListMembers(ListMembersRequest(org_id=org_id), metadata=member.metadata)
    await stub.RemoveMember(
        RemoveMemberRequest(org_id=org_id, user_id=str(member.user_id)), metadata=tenant.metadata
    )

    async def whole_log() -> ListAuditEventsResponse | None:
        reply = await page(tenancy, tenant.owner, org_id)
        return reply if len(reply.items) >= 4 else None

    log = await eventually(whole_log)
    assert log is not None
    owner = f"users/{tenant.owner.user_id}"
    told = [(item.action, item.actor, item.resource, item.count) for item in log.items]
    assert told[-4:] == [
        ("tenancy.audit_events.list", owner, "", 1),
        ("tenancy.members.remove", owner, f"members/{member.user_id}", 1),
        ("tenancy.members.list", f"users/{member.user_id}", "", 1),
        ("tenancy.organizations.create", owner, f"organizations/{org_id}", 1),
    ]
    assert all(item.id and item.request_id and item.event_time.seconds for item in log.items)


async def test_pages_show_each_once(
    tenancy: grpc.aio.Channel, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant = await callers.tenant()
    accesses = [access(f"action {number}") for number in range(7)]
    async with backbone.database.tenant(tenant.org_id) as tx:
        await AuditEventRepository(tx).append(accesses)
    shown: list[str] = []
    token = ""
    while token or not shown:
        reply = await page(tenancy, tenant.owner, tenant.org_id, 3, token)
        shown += [item.id for item in reply.items]
        token = reply.next_page_token
    wanted = [str(one.id) for one in reversed(accesses)]
    assert [event_id for event_id in shown if event_id in wanted] == wanted
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize(
    "token", [encode_token([2**63]), encode_token([-1]), encode_token(["1"]), encode_token([True])]
)
async def test_refuses_a_token_that_was_not_handed_out(
    tenancy: grpc.aio.Channel, callers: Callers, token: str
) -> None:
    tenant = await callers.tenant()
    with pytest.raises(PeerError) as refused:
        await page(tenancy, tenant.owner, tenant.org_id, token=token)
    assert [field.pointer for field in refused.value.fields] == ["/page_token"]


async def test_members_may_not(tenancy: grpc.aio.Channel, callers: Callers, join: Join) -> None:
    tenant = await callers.tenant()
    with pytest.raises(PeerError) as refused:
        await page(tenancy, await join(tenant, Role.MEMBER), tenant.org_id)
    assert refused.value.reason == "role_too_low"


async def test_strangers_learn_nothing(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    stranger = (await callers.tenant()).owner
    for org_id in ((await callers.tenant()).org_id, uuid4()):
        with pytest.raises(PeerError) as refused:
            await page(tenancy, stranger, org_id)
        assert refused.value.reason == "not_found"
