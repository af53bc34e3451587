import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from services.tenancy.tests.conftest import Join, Published
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.organization_pb2 import Organization
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    UpdateOrganizationRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_tenancy.organizations.service import MAX_FORMER_SLUGS
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.waiting import eventually


async def update(
    tenancy: grpc.aio.Channel, tenant: Tenant, caller: Caller | None = None, **changes: Any
) -> Organization:
    request = UpdateOrganizationRequest(org_id=str(tenant.org_id), **changes)
    request.update_mask.paths[:] = changes
    reply = await OrganizationServiceStub(tenancy).UpdateOrganization(
        request, metadata=(caller or tenant.owner).metadata
    )
    return reply.organization


async def refusal(tenancy: grpc.aio.Channel, tenant: Tenant, **changes: Any) -> PeerError:
    with pytest.raises(PeerError) as refused:
        await update(tenancy, tenant, **changes)
    return refused.value


def new_slug() -> str:
    return f"s-{uuid4().hex}"


async def test_changes_what_is_named_and_nothing_else(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant("Acme")
    admin = await join(tenant, Role.ADMIN)
    renamed = await update(tenancy, tenant, admin, name="  Acme & Sons ")
    assert (renamed.name, renamed.role) == ("Acme & Sons", ROLE_ADMIN)
    slug = new_slug()
    assert (await update(tenancy, tenant, slug=slug)).name == "Acme & Sons"
    unnamed = UpdateOrganizationRequest(org_id=str(tenant.org_id), name="Other", slug="other")
    reply = await OrganizationServiceStub(tenancy).UpdateOrganization(
        unnamed, metadata=tenant.metadata
    )
    assert (reply.organization.name, reply.organization.slug) == ("Acme & Sons", slug)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"slug": ""}, "/slug"),
        ({"slug": "Acme"}, "/slug"),
    ],
)
async def test_refuses_what_is_not_valid(
    tenancy: grpc.aio.Channel, callers: Callers, changes: dict[str, str], pointer: str
) -> None:
    told = await refusal(tenancy, await callers.tenant(), **changes)
    assert [field.pointer for field in told.fields] == [pointer]


async def test_refuses_a_field_that_cannot_be_changed(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    request = UpdateOrganizationRequest(org_id=str(tenant.org_id))
    request.update_mask.paths[:] = ["role"]
    with pytest.raises(PeerError) as refused:
        await OrganizationServiceStub(tenancy).UpdateOrganization(request, metadata=tenant.metadata)
    assert [field.pointer for field in refused.value.fields] == ["/update_mask"]


async def test_a_former_slug_stays_its_own(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant, other = await callers.tenant(), await callers.tenant()
    first, second = new_slug(), new_slug()
    for slug in (first, second):
        assert (await update(tenancy, tenant, slug=slug)).slug == slug
    for taken in (first, second):
        assert (await refusal(tenancy, other, slug=taken)).reason == "slug_taken"
        made = CreateOrganizationRequest(name="Acme", slug=taken)
        with pytest.raises(PeerError) as refused:
            await OrganizationServiceStub(tenancy).CreateOrganization(made, metadata=other.metadata)
        assert refused.value.reason == "slug_taken"
    assert (await update(tenancy, tenant, slug=first)).slug == first
    assert (await update(tenancy, tenant, slug=first)).slug == first


async def test_ten_former_slugs_are_kept_and_no_more(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    kept = new_slug()
    for slug in (kept, *(new_slug() for _ in range(MAX_FORMER_SLUGS - 1))):
        await update(tenancy, tenant, slug=slug)
    one_too_many = new_slug()
    assert (
        await refusal(tenancy, tenant, slug=one_too_many, name="Not")
    ).reason == "too_many_slugs"
    assert (await update(tenancy, tenant, slug=kept)).name == "Acme"
    other = await callers.tenant()
    assert (await update(tenancy, other, slug=one_too_many)).slug == one_too_many


async def test_of_20_that_want_the_same_slug_one_gets_it(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    """Renamed or new; and the winner is told so."""
    tenants = [await callers.tenant() for _ in range(10)]
    slug = new_slug()
    stub = OrganizationServiceStub(tenancy)
    made = CreateOrganizationRequest(name="Acme", slug=slug)
    told = await asyncio.gather(
        *(update(tenancy, tenant, slug=slug) for tenant in tenants),
        *(stub.CreateOrganization(made, metadata=tenant.metadata) for tenant in tenants),
        return_exceptions=True,
    )
    refused = [error.reason for error in told if isinstance(error, PeerError)]
    assert refused == ["slug_taken"] * 19


async def test_two_that_swap_their_slugs_are_both_refused(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    """Neither waits for the other."""
    one, two = await callers.tenant(), await callers.tenant()
    slugs = [new_slug(), new_slug()]
    await update(tenancy, one, slug=slugs[0])
    await update(tenancy, two, slug=slugs[1])
    told = await asyncio.gather(
        update(tenancy, one, slug=slugs[1]),
        update(tenancy, two, slug=slugs[0]),
        return_exceptions=True,
    )
    assert [getattr(error, "reason", "") for error in told] == ["slug_taken"] * 2


async def test_is_on_record(
    tenancy: grpc.aio.Channel, callers: Callers, published: Published
) -> None:
    tenant = await callers.tenant()
    await update(tenancy, tenant, name="Other")

    async def is_recorded() -> bool:
        records = await published(tenant.org_id, AccessRecorded)
        return "tenancy.organizations.update" in {record.action for record in records}

    assert await eventually(is_recorded)
