from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest, ListMembersResponse
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_OWNER, ROLE_VIEWER
from tenon_core import clock
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.members.models import Member
from tenon_tenancy.members.repository import MemberRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def page(
    tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant, size: int = 0, token: str = ""
) -> ListMembersResponse:
    request = ListMembersRequest(org_id=str(tenant.org_id), page_size=size, page_token=token)
    reply: ListMembersResponse = await MemberServiceStub(tenancy).ListMembers(
        request, metadata=caller.metadata
    )
    return reply


async def test_shows_them_oldest_first_with_names_and_addresses(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    listed = (await page(tenancy, viewer, tenant)).items
    assert [(item.user_id, item.role, item.email, item.name) for item in listed] == [
        (str(tenant.owner.user_id), ROLE_OWNER, tenant.owner.email, "Ada"),
        (str(viewer.user_id), ROLE_VIEWER, viewer.email, "Ada"),
    ]


async def test_a_user_whom_auth_does_not_know_has_no_name(
    tenancy: grpc.aio.Channel, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant = await callers.tenant()
    erased = Member(uuid4(), Role.MEMBER, clock.now())
    async with backbone.database.tenant(tenant.org_id) as tx:
        await MemberRepository(tx, tenant.org_id).add(erased)
    listed = (await page(tenancy, tenant.owner, tenant)).items[1]
    assert (listed.user_id, listed.email, listed.name) == (str(erased.user_id), "", "")


async def test_pages_show_each_once(
    tenancy: grpc.aio.Channel, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant = await callers.tenant()
    at = clock.now()  # of all of them, so that ids decide
    async with backbone.database.tenant(tenant.org_id) as tx:
        for _ in range(6):
            await MemberRepository(tx, tenant.org_id).add(Member(uuid4(), Role.MEMBER, at))
    whole = [item.user_id for item in (await page(tenancy, tenant.owner, tenant)).items]
    shown: list[str] = []
    token = ""
    while token or not shown:
        reply = await page(tenancy, tenant.owner, tenant, 3, token)
        shown += [item.user_id for item in reply.items]
        token = reply.next_page_token
    assert shown == whole
    assert len(set(whole)) == 7


async def test_is_hidden_from_strangers(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant = await callers.tenant()
    with pytest.raises(PeerError) as refused:
        await page(tenancy, await callers.user(), tenant)
    assert refused.value.reason == "not_found"
