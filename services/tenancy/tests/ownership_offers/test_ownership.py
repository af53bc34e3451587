import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.message import Message

from tenon.tenancy.v1.events_pb2 import MemberUpdated, OwnershipTransferred
from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_service_pb2 import GetOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.ownership_offer_pb2 import OwnershipOffer
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    DeclineOwnershipRequest,
    GetOwnershipOfferRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN, ROLE_OWNER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]

GONE = "ownership_offer_not_found"


@dataclass(frozen=True)
class Ownership:
    """How one organization is handed over."""

    tenancy: grpc.aio.Channel
    tenant: Tenant

    async def offer(self, user_id: object, by: Caller | None = None) -> OwnershipOffer:
        request = TransferOwnershipRequest(org_id=str(self.tenant.org_id), user_id=str(user_id))
        metadata = (by or self.tenant.owner).metadata
        reply = await OwnershipServiceStub(self.tenancy).TransferOwnership(
            request, metadata=metadata
        )
        return reply.offer

    async def show(self, caller: Caller) -> OwnershipOffer:
        request = GetOwnershipOfferRequest(org_id=str(self.tenant.org_id))
        reply = await OwnershipServiceStub(self.tenancy).GetOwnershipOffer(
            request, metadata=caller.metadata
        )
        return reply.offer

    async def accept(self, caller: Caller) -> None:
        request = AcceptOwnershipRequest(org_id=str(self.tenant.org_id))
        await OwnershipServiceStub(self.tenancy).AcceptOwnership(request, metadata=caller.metadata)

    async def decline(self, caller: Caller) -> None:
        request = DeclineOwnershipRequest(org_id=str(self.tenant.org_id))
        await OwnershipServiceStub(self.tenancy).DeclineOwnership(request, metadata=caller.metadata)

    async def role(self, caller: Caller) -> int:
        """Return somebody's role, as they see it."""
        request = GetOrganizationRequest(org_id=str(self.tenant.org_id))
        reply = await OrganizationServiceStub(self.tenancy).GetOrganization(
            request, metadata=caller.metadata
        )
        return int(reply.organization.role)


async def refusal(asked: Awaitable[object]) -> str:
    with pytest.raises(PeerError) as refused:
        await asked
    return refused.value.reason


@pytest.fixture
async def ownership(tenancy: grpc.aio.Channel, callers: Callers) -> Ownership:
    return Ownership(tenancy, await callers.tenant())


async def test_the_member_who_accepts_owns_it_in_place_of_the_one_who_offered(
    ownership: Ownership, join: Join, published: Published
) -> None:
    tenant, viewer = ownership.tenant, await join(ownership.tenant, Role.VIEWER)
    offer = await ownership.offer(viewer.user_id)
    assert (offer.owner_id, offer.user_id) == (str(tenant.owner.user_id), str(viewer.user_id))
    assert await ownership.show(viewer) == offer
    assert await ownership.role(tenant.owner) == ROLE_OWNER
    await ownership.accept(viewer)

    async def is_seen() -> bool:
        roles = [await ownership.role(caller) for caller in (viewer, tenant.owner)]
        return roles == [int(ROLE_OWNER), int(ROLE_ADMIN)]

    await eventually(is_seen, within=1.5)  # an answer is reused for 1 s
    (told,) = await published(tenant.org_id, OwnershipTransferred)
    assert (told.offer_id, told.user_id) == (offer.id, str(viewer.user_id))
    updates = await published(tenant.org_id, MemberUpdated)
    assert {(update.user_id, update.role) for update in updates} == {
        (str(viewer.user_id), ROLE_OWNER),
        (str(tenant.owner.user_id), ROLE_ADMIN),
    }
    for caller in (viewer, tenant.owner):
        assert await refusal(ownership.accept(caller)) == GONE


async def test_only_the_one_whom_it_is_offered_to_accepts(
    ownership: Ownership, callers: Callers, join: Join
) -> None:
    tenant = ownership.tenant
    admin, member = await join(tenant, Role.ADMIN), await join(tenant, Role.MEMBER)
    stranger = await callers.user()
    await ownership.offer(member.user_id)
    for caller in (admin, tenant.owner):
        assert await refusal(ownership.accept(caller)) == GONE
    assert await refusal(ownership.accept(stranger)) == "not_found"
    assert await refusal(ownership.decline(admin)) == GONE
    assert await refusal(ownership.offer(member.user_id, by=admin)) == "role_too_low"


async def test_there_is_one_offer_until_it_is_declined_or_withdrawn(
    ownership: Ownership, join: Join
) -> None:
    tenant = ownership.tenant
    one, two = await join(tenant, Role.ADMIN), await join(tenant, Role.MEMBER)
    other_owner = await join(tenant, Role.OWNER)
    outcomes = await asyncio.gather(
        *(ownership.offer(one.user_id) for _ in range(5)),
        *(ownership.offer(two.user_id, by=other_owner) for _ in range(5)),
        return_exceptions=True,
    )
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
    assert reasons == ["ownership_offered"] * 9
    await ownership.decline(other_owner)
    await ownership.offer(two.user_id)
    await ownership.decline(two)
    for caller in (two, tenant.owner):
        assert await refusal(ownership.decline(caller)) == GONE
    assert await refusal(ownership.accept(two)) == GONE


async def test_it_is_offered_to_members_who_are_no_owners(
    ownership: Ownership, callers: Callers, join: Join
) -> None:
    second = await join(ownership.tenant, Role.OWNER)
    for owner in (ownership.tenant.owner, second):
        assert await refusal(ownership.offer(owner.user_id)) == "already_owner"
    for user_id in ((await callers.user()).user_id, uuid4(), "me", ""):
        assert await refusal(ownership.offer(user_id)) == "member_not_found"


@pytest.mark.parametrize("what", ["the owner is lowered", "the member is removed", "time is over"])
async def test_an_offer_is_void_when(
    ownership: Ownership,
    join: Join,
    tenancy: grpc.aio.Channel,
    admin: psycopg.AsyncConnection,
    what: str,
) -> None:
    tenant, members = ownership.tenant, MemberServiceStub(tenancy)
    other, member = await join(tenant, Role.OWNER), await join(tenant, Role.MEMBER)
    org_id = str(tenant.org_id)
    await ownership.offer(member.user_id)
    match what:
        case "the owner is lowered":
            lowered = UpdateMemberRequest(
                org_id=org_id, user_id=str(tenant.owner.user_id), role=ROLE_ADMIN
            )
            await members.UpdateMember(lowered, metadata=other.metadata)
        case "the member is removed":
            removed = RemoveMemberRequest(org_id=org_id, user_id=str(member.user_id))
            await members.RemoveMember(removed, metadata=tenant.metadata)
        case _:
            await admin.execute(
                "UPDATE tenancy.ownership_offers SET expire_time = now() WHERE org_id = %s",
                [tenant.org_id],
            )
    assert await refusal(ownership.show(other)) == GONE
    assert await refusal(ownership.accept(member)) in (GONE, "not_found")
    heir = await join(tenant, Role.VIEWER)
    assert (await ownership.offer(heir.user_id, by=other)).user_id == str(heir.user_id)


async def test_an_organization_is_offered_only_so_often(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    """Each offer is a mail to the member."""
    tenant = await callers.tenant()
    ownership, member = Ownership(tenancy, tenant), await join(tenant, Role.MEMBER)
    for _ in range(5):
        await ownership.offer(member.user_id)
        await ownership.decline(tenant.owner)
    with pytest.raises(PeerError) as refused:
        await ownership.offer(member.user_id)
    assert refused.value.reason == "too_many_mails"
    assert refused.value.limit == "ownership_offer_mails_per_organization"
    other = await callers.tenant()
    heir = await join(other, Role.MEMBER)
    await Ownership(tenancy, other).offer(heir.user_id)  # the control: another organization
