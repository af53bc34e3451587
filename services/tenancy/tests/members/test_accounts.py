"""The account of an organization is its longest-standing owner."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from tenon.tenancy.v1.member_service_pb2 import CheckAccountsRequest, LeaveOrganizationRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def accounts(tenancy: grpc.aio.Channel, *org_ids: object) -> list[str]:
    request = CheckAccountsRequest(org_ids=map(str, org_ids))
    return list((await MemberServiceStub(tenancy).CheckAccounts(request)).account_ids)


async def test_it_is_the_first_owner_s_until_they_leave(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    await join(tenant, Role.ADMIN)
    second = await join(tenant, Role.OWNER)
    assert await accounts(tenancy, tenant.org_id) == [str(tenant.owner.user_id)]
    leave = LeaveOrganizationRequest(org_id=str(tenant.org_id))
    await MemberServiceStub(tenancy).LeaveOrganization(leave, metadata=tenant.metadata)
    assert await accounts(tenancy, tenant.org_id) == [str(second.user_id)]


async def test_answers_in_the_order_of_the_organizations(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    one, two = await callers.tenant(), await callers.tenant()
    found = await accounts(tenancy, two.org_id, uuid4(), "no id", one.org_id, two.org_id)
    owners = [str(two.owner.user_id), "", "", str(one.owner.user_id), str(two.owner.user_id)]
    assert found == owners


async def test_takes_a_thousand_organizations_and_no_more(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    assert len(await accounts(tenancy, *[tenant.org_id] * 1_000)) == 1_000
    with pytest.raises(PeerError) as refused:
        await accounts(tenancy, *[tenant.org_id] * 1_001)
    assert [field.pointer for field in refused.value.fields] == ["/org_ids"]
