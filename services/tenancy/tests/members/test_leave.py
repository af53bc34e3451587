from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.events_pb2 import MemberRemoved
from tenon.tenancy.v1.member_service_pb2 import LeaveOrganizationRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


async def leave(tenancy: grpc.aio.Channel, tenant: Tenant, caller: Caller) -> str:
    """Leave; return why not, if so."""
    request = LeaveOrganizationRequest(org_id=str(tenant.org_id))
    try:
        await MemberServiceStub(tenancy).LeaveOrganization(request, metadata=caller.metadata)
    except PeerError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OWNER])
async def test_whoever_is_not_the_last_owner_leaves(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join, published: Published, role: Role
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, role)
    assert await leave(tenancy, tenant, member) == ""

    async def is_a_stranger() -> bool:
        return await leave(tenancy, tenant, member) == "not_found"

    await eventually(is_a_stranger, within=1.2)  # an answer is reused for 1 s
    told = await published(tenant.org_id, MemberRemoved)
    assert told == [MemberRemoved(org_id=str(tenant.org_id), user_id=str(member.user_id))]
    records = await published(tenant.org_id, AccessRecorded)
    (left,) = [record for record in records if record.action == "tenancy.members.leave"]
    assert left.resource == f"members/{member.user_id}"


async def test_the_last_owner_stays(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    await join(tenant, Role.ADMIN)
    assert await leave(tenancy, tenant, tenant.owner) == "last_owner"
