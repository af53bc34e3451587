"""Who may have mail sent to people outside: accounts that have proved their own address."""

from uuid import UUID

import grpc
import pytest

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from services.tenancy.tests.invitations.test_invitations import address, refusal
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_core.errors import Code
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System


@pytest.fixture
async def unverified(callers: Callers, tenancy: grpc.aio.Channel) -> Tenant:
    """An organization of an owner whose address is not verified."""
    owner = await callers.user()
    reply = await OrganizationServiceStub(tenancy).CreateOrganization(
        CreateOrganizationRequest(name="Acme"), metadata=owner.metadata
    )
    return Tenant(UUID(reply.organization.id), owner)


async def test_an_unverified_account_cannot_invite(
    invitations: InvitationsClient, unverified: Tenant
) -> None:
    with pytest.raises(PeerError) as refused:
        await invitations.create(unverified, address())
    assert refused.value.code is Code.PERMISSION_DENIED
    assert refused.value.reason == "verified_email_required"
    assert "/api/auth/email/verify:send" in refused.value.detail
    assert await invitations.pending(unverified) == []


async def test_an_account_invites_as_soon_as_it_is_verified(
    system: System, invitations: InvitationsClient, unverified: Tenant
) -> None:
    email = address()
    assert await refusal(invitations.create(unverified, email)) == "verified_email_required"
    system.verify_email(unverified.owner.user_id)
    assert (await invitations.create(unverified, email)).email == email


async def test_an_unverified_account_cannot_send_an_invitation_again(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    made = await invitations.create(tenant, address())
    link_id = await invitations.link_id(made.id)
    unverify = "UPDATE auth.users SET email_verified = false WHERE id = %s"
    await invitations.admin.execute(unverify, [tenant.owner.user_id])
    assert await refusal(invitations.resend(tenant, made.id)) == "verified_email_required"
    assert await invitations.link_id(made.id) == link_id
