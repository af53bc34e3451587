from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from tenon.tenancy.v1.organization_service_pb2 import (
    GetOrganizationRequest,
    GetOrganizationResponse,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def get(tenancy: grpc.aio.Channel, caller: Caller, org_id: object) -> GetOrganizationResponse:
    request = GetOrganizationRequest(org_id=str(org_id))
    reply: GetOrganizationResponse = await OrganizationServiceStub(tenancy).GetOrganization(
        request, metadata=caller.metadata
    )
    return reply


async def test_a_member_sees_it_with_their_role(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant("Acme")
    member = await join(tenant, Role.MEMBER)
    organization = (await get(tenancy, member, tenant.org_id)).organization
    assert (organization.name, organization.role) == ("Acme", ROLE_MEMBER)


async def test_another_s_and_an_unknown_one_are_the_same(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    stranger = (await callers.tenant()).owner
    refusals = set()
    for org_id in (tenant.org_id, uuid4(), "acme", ""):
        with pytest.raises(PeerError) as refused:
            await get(tenancy, stranger, org_id)
        refusals.add((refused.value.code, refused.value.reason, refused.value.detail))
    assert [reason for _, reason, _ in refusals] == ["not_found"]
