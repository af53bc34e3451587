from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import pytest

from tenon.tenancy.v1.organization_pb2 import Organization
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    ListOrganizationsRequest,
    ListOrganizationsResponse,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_OWNER, ROLE_VIEWER
from tenon_db.pages import encode_token
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def create(tenancy: grpc.aio.Channel, caller: Caller) -> Organization:
    request = CreateOrganizationRequest(name="Acme")
    reply = await OrganizationServiceStub(tenancy).CreateOrganization(
        request, metadata=caller.metadata
    )
    return reply.organization


async def page(
    tenancy: grpc.aio.Channel, caller: Caller, size: int = 0, token: str = ""
) -> ListOrganizationsResponse:
    request = ListOrganizationsRequest(page_size=size, page_token=token)
    reply: ListOrganizationsResponse = await OrganizationServiceStub(tenancy).ListOrganizations(
        request, metadata=caller.metadata
    )
    return reply


async def test_shows_one_s_own_with_one_s_role_oldest_membership_first(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    user = await join(tenant, Role.VIEWER)
    own = await create(tenancy, user)
    listed = (await page(tenancy, user)).items
    assert [(item.id, item.role) for item in listed] == [
        (str(tenant.org_id), ROLE_VIEWER),
        (own.id, ROLE_OWNER),
    ]
    assert listed[1] == own


async def test_shows_nothing_to_somebody_without_any(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    reply = await page(tenancy, await callers.user())
    assert reply == ListOrganizationsResponse()


async def test_pages_show_each_once(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    user = await callers.user()
    made = [(await create(tenancy, user)).id for _ in range(5)]
    shown: list[list[str]] = []
    token = ""
    while token or not shown:
        reply = await page(tenancy, user, 2, token)
        shown.append([item.id for item in reply.items])
        token = reply.next_page_token
    assert shown == [made[:2], made[2:4], made[4:]]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        encode_token(["2026-01-01"]),
        encode_token(["today", "01a20752-d562-74c1-a8f2-570a79e678de"]),
        encode_token(["2026-01-01T00:00:00+00:00", "me"]),
        encode_token([1, 2]),
        encode_token([None, None]),
    ],
)
async def test_refuses_a_token_that_was_not_handed_out(
    tenancy: grpc.aio.Channel, callers: Callers, token: str
) -> None:
    user = await callers.user()
    with pytest.raises(PeerError) as refused:
        await page(tenancy, user, token=token)
    assert refused.value.reason == "invalid_page_token"
    assert [field.pointer for field in refused.value.fields] == ["/page_token"]
