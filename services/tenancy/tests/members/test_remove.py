from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from tenon.tenancy.v1.events_pb2 import MemberRemoved
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest, RemoveMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_policy.grants import MemberKey, read_level
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


async def remove(
    tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant, user_id: object
) -> None:
    request = RemoveMemberRequest(org_id=str(tenant.org_id), user_id=str(user_id))
    await MemberServiceStub(tenancy).RemoveMember(request, metadata=caller.metadata)


async def refusal(
    tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant, user_id: object
) -> str:
    with pytest.raises(PeerError) as refused:
        await remove(tenancy, caller, tenant, user_id)
    return refused.value.reason


async def is_let_in(tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant) -> bool:
    request = ListMembersRequest(org_id=str(tenant.org_id))
    try:
        await MemberServiceStub(tenancy).ListMembers(request, metadata=caller.metadata)
    except PeerError as error:
        return error.reason != "not_found"
    return True


async def test_a_removed_member_is_refused_within_a_second(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    assert await is_let_in(tenancy, member, tenant)
    await remove(tenancy, tenant.owner, tenant, member.user_id)

    async def is_refused() -> bool:
        return not await is_let_in(tenancy, member, tenant)

    await eventually(is_refused, within=1.2)  # an answer is reused for 1 s


async def test_the_hot_copy_is_settled_before_the_reply(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    join: Join,
    backbone: Backbone[TenancySettings],
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    key = str(MemberKey(tenant.org_id, member.user_id))
    assert await is_let_in(tenancy, member, tenant)
    assert read_level(await backbone.redis.get(key)) == Role.MEMBER
    await remove(tenancy, tenant.owner, tenant, member.user_id)
    assert read_level(await backbone.redis.get(key)) == Role.NONE


async def test_tells_the_others(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join, published: Published
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    await remove(tenancy, tenant.owner, tenant, member.user_id)
    told = await published(tenant.org_id, MemberRemoved)
    assert told == [MemberRemoved(org_id=str(tenant.org_id), user_id=str(member.user_id))]


async def test_an_admin_leaves(tenancy: grpc.aio.Channel, callers: Callers, join: Join) -> None:
    tenant = await callers.tenant()
    admin = await join(tenant, Role.ADMIN)
    await remove(tenancy, admin, tenant, admin.user_id)
    assert await refusal(tenancy, tenant.owner, tenant, admin.user_id) == "member_not_found"


async def test_the_last_owner_stays(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant = await callers.tenant()
    assert await refusal(tenancy, tenant.owner, tenant, tenant.owner.user_id) == "last_owner"
    assert await is_let_in(tenancy, tenant.owner, tenant)


async def test_an_admin_removes_no_owner(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin = await join(tenant, Role.ADMIN)
    assert await refusal(tenancy, admin, tenant, tenant.owner.user_id) == "role_above_own"


async def test_a_user_of_another_organization_is_an_unknown_one(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant, other = await callers.tenant(), await callers.tenant()
    for user_id in (other.owner.user_id, uuid4(), "me"):
        assert await refusal(tenancy, tenant.owner, tenant, user_id) == "member_not_found"


async def test_a_stranger_learns_nothing(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant, other = await callers.tenant(), await callers.tenant()
    assert await refusal(tenancy, other.owner, tenant, tenant.owner.user_id) == "not_found"
