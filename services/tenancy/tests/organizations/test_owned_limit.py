"""A user owns a limited number of organizations, however they come to own one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

import grpc
import pytest

from services.tenancy.tests.invitations.conftest import invitations  # noqa: F401 # a fixture
from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from tenon.tenancy.v1.member_service_pb2 import LeaveOrganizationRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_OWNER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]

LIMIT = 3
REFUSED = ("too_many_organizations", "owned_organizations_per_user")


@pytest.fixture(scope="module")
async def limited(system: System) -> AsyncIterator[grpc.aio.Channel]:
    """A replica of tenancy with a low limit."""
    async with system.serving(APP, owned_organizations_per_user=LIMIT) as tenancy:
        yield tenancy


async def create(tenancy: grpc.aio.Channel, caller: Caller) -> Tenant:
    reply = await OrganizationServiceStub(tenancy).CreateOrganization(
        CreateOrganizationRequest(name="Acme"), metadata=caller.metadata
    )
    return Tenant(UUID(reply.organization.id), caller)


async def own_all(tenancy: grpc.aio.Channel, caller: Caller) -> list[Tenant]:
    """Let a user own as many organizations as they can."""
    return [await create(tenancy, caller) for _ in range(LIMIT)]


async def leave(tenancy: grpc.aio.Channel, tenant: Tenant, caller: Caller) -> None:
    request = LeaveOrganizationRequest(org_id=str(tenant.org_id))
    await MemberServiceStub(tenancy).LeaveOrganization(request, metadata=caller.metadata)


async def refusal(attempt: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(PeerError) as refused:
        await attempt
    return refused.value.reason, refused.value.limit


async def test_creations_at_once_do_not_pass_the_limit(
    limited: grpc.aio.Channel, callers: Callers
) -> None:
    caller = await callers.user()
    outcomes = await asyncio.gather(
        *(create(limited, caller) for _ in range(4 * LIMIT)), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, Tenant)]
    refused = [
        (outcome.reason, outcome.limit) for outcome in outcomes if isinstance(outcome, PeerError)
    ]
    assert (len(made), refused) == (LIMIT, [REFUSED] * 3 * LIMIT)
    await create(limited, await callers.user())  # the control: another user


async def test_memberships_in_other_roles_do_not_count(
    limited: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    member = await join(await callers.tenant(), Role.ADMIN)
    await own_all(limited, member)
    assert await refusal(create(limited, member)) == REFUSED


async def test_an_organization_that_is_left_counts_no_longer(
    limited: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    caller = await callers.user()
    first, *_ = await own_all(limited, caller)
    assert await refusal(create(limited, caller)) == REFUSED
    await join(first, Role.OWNER)
    await leave(limited, first, caller)
    await create(limited, caller)


async def test_an_ownership_that_is_accepted_counts(
    limited: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    heir = await join(tenant, Role.MEMBER)
    own = await own_all(limited, heir)
    ownership, org_id = OwnershipServiceStub(limited), str(tenant.org_id)
    offer = TransferOwnershipRequest(org_id=org_id, user_id=str(heir.user_id))
    await ownership.TransferOwnership(offer, metadata=tenant.metadata)
    accept = AcceptOwnershipRequest(org_id=org_id)
    assert await refusal(ownership.AcceptOwnership(accept, metadata=heir.metadata)) == REFUSED
    await join(own[0], Role.OWNER)
    await leave(limited, own[0], heir)
    await ownership.AcceptOwnership(accept, metadata=heir.metadata)  # the offer is still there


async def test_an_invitation_as_an_owner_counts(
    limited: grpc.aio.Channel,
    callers: Callers,
    invitations: InvitationsClient,  # noqa: F811 # the fixture
) -> None:
    tenant, guest = await callers.tenant(), await callers.user()
    await own_all(limited, guest)
    at_replica = replace(invitations, tenancy=limited)
    made = await invitations.create(tenant, guest.email, Role.OWNER)
    token = await invitations.token(tenant, made.id)
    assert await refusal(at_replica.accept(guest, token)) == REFUSED
    other = await callers.tenant()
    made = await invitations.create(other, guest.email, Role.ADMIN)
    await at_replica.accept(guest, await invitations.token(other, made.id))  # the control


async def test_a_member_who_is_made_an_owner_counts(
    limited: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    await own_all(limited, member)
    request = UpdateMemberRequest(
        org_id=str(tenant.org_id), user_id=str(member.user_id), role=ROLE_OWNER
    )
    update = MemberServiceStub(limited).UpdateMember
    assert await refusal(update(request, metadata=tenant.metadata)) == REFUSED
    request.user_id = str((await join(tenant, Role.MEMBER)).user_id)
    await update(request, metadata=tenant.metadata)  # the control: another member
