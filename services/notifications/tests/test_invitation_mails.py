"""Mails of the real tenancy to whoever is invited."""

import re
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import grpc
import pytest

from services.notifications.tests.mail_bench import MailBench
from tenon.tenancy.v1.invitation_pb2 import Invitation
from tenon.tenancy.v1.invitation_service_pb2 import (
    CreateInvitationRequest,
    PreviewInvitationRequest,
    ResendInvitationRequest,
    RevokeInvitationRequest,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System


@pytest.fixture
async def tenancy(system: System) -> AsyncIterator[grpc.aio.Channel]:
    channel = system.channel("tenancy")
    yield channel
    await channel.close(None)


async def invited(tenancy: grpc.aio.Channel, tenant: Tenant, email: str = "") -> Invitation:
    request = CreateInvitationRequest(
        org_id=str(tenant.org_id), email=email or f"{uuid4()}@example.com", role=ROLE_ADMIN
    )
    reply = await InvitationServiceStub(tenancy).CreateInvitation(request, metadata=tenant.metadata)
    return reply.invitation


async def test_whoever_is_invited_gets_the_link(
    bench: MailBench, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    tenant = await callers.tenant("Acme & Sons")
    async with bench.working():
        invitation = await invited(tenancy, tenant)
        mail = await bench.mail_about(invitation.email, "Acme & Sons")
        await bench.until_row(UUID(invitation.id), state="sent", job="succeeded")
    text = bench.text(mail)
    assert "your role there will be: admin" in text
    token = found[1] if (found := re.search(r"/accept-invitation#(\S+)", text)) else ""
    reply = await InvitationServiceStub(tenancy).PreviewInvitation(
        PreviewInvitationRequest(token=token)
    )
    assert reply.invitation.email == invitation.email
    for table in ("emails", "jobs", "outbox"):
        rows = await bench.everything(table)
        assert invitation.email not in rows
        assert token not in rows


async def test_of_links_that_were_replaced_meanwhile_only_the_last_is_mailed(
    bench: MailBench, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    """And of an invitation that was taken back, none."""
    tenant, invitations = await callers.tenant(), InvitationServiceStub(tenancy)
    resent, revoked = await invited(tenancy, tenant), await invited(tenancy, tenant)
    await invitations.ResendInvitation(
        ResendInvitationRequest(org_id=str(tenant.org_id), invitation_id=resent.id),
        metadata=tenant.metadata,
    )
    await invitations.RevokeInvitation(
        RevokeInvitationRequest(org_id=str(tenant.org_id), invitation_id=revoked.id),
        metadata=tenant.metadata,
    )
    async with bench.working():
        await bench.until_row(UUID(revoked.id), state="failed", job="succeeded")
        assert len(await bench.mails_to(resent.email)) == 1
    assert (await bench.row(UUID(revoked.id)))["failure"] == "the invitation is gone"
