"""Invitations as people and notifications use them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc
import psycopg

from tenon.tenancy.v1.invitation_pb2 import Invitation, InvitationPreview
from tenon.tenancy.v1.invitation_service_pb2 import (
    AcceptInvitationRequest,
    AcceptInvitationResponse,
    CheckInvitationRequest,
    CreateInvitationRequest,
    GetInvitationNoticeRequest,
    GetInvitationNoticeResponse,
    ListInvitationsRequest,
    PreviewInvitationRequest,
    ResendInvitationRequest,
    RevokeInvitationRequest,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.role_pb2 import Role as RoleNumber
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Tenant


@dataclass(frozen=True)
class InvitationsClient:
    """`tenancy`, `auth` and `worker` are tenancy as the gateway, auth and notifications' worker
    reach it.
    """

    tenancy: grpc.aio.Channel
    auth: grpc.aio.Channel
    worker: grpc.aio.Channel
    admin: psycopg.AsyncConnection

    async def create(
        self, tenant: Tenant, email: str, role: Role = Role.MEMBER, by: Caller | None = None
    ) -> Invitation:
        request = CreateInvitationRequest(
            org_id=str(tenant.org_id), email=email, role=RoleNumber.ValueType(role)
        )
        metadata = (by or tenant.owner).metadata
        reply = await InvitationServiceStub(self.tenancy).CreateInvitation(
            request, metadata=metadata
        )
        return reply.invitation

    async def resend(
        self, tenant: Tenant, invitation_id: str, by: Caller | None = None
    ) -> Invitation:
        request = ResendInvitationRequest(org_id=str(tenant.org_id), invitation_id=invitation_id)
        metadata = (by or tenant.owner).metadata
        reply = await InvitationServiceStub(self.tenancy).ResendInvitation(
            request, metadata=metadata
        )
        return reply.invitation

    async def revoke(self, tenant: Tenant, invitation_id: str, by: Caller | None = None) -> None:
        request = RevokeInvitationRequest(org_id=str(tenant.org_id), invitation_id=invitation_id)
        metadata = (by or tenant.owner).metadata
        await InvitationServiceStub(self.tenancy).RevokeInvitation(request, metadata=metadata)

    async def pending(self, tenant: Tenant) -> list[Invitation]:
        request = ListInvitationsRequest(org_id=str(tenant.org_id))
        reply = await InvitationServiceStub(self.tenancy).ListInvitations(
            request, metadata=tenant.metadata
        )
        return list(reply.items)

    async def preview(self, token: str) -> InvitationPreview:
        request = PreviewInvitationRequest(token=token)
        return (await InvitationServiceStub(self.tenancy).PreviewInvitation(request)).invitation

    async def accept(self, caller: Caller, token: str) -> AcceptInvitationResponse:
        request = AcceptInvitationRequest(token=token)
        reply: AcceptInvitationResponse = await InvitationServiceStub(
            self.tenancy
        ).AcceptInvitation(request, metadata=caller.metadata)
        return reply

    async def check(self, token: str, email: str) -> None:
        request = CheckInvitationRequest(token=token, email=email)
        await InvitationServiceStub(self.auth).CheckInvitation(request)

    async def notice(self, tenant: Tenant, link_id: UUID) -> GetInvitationNoticeResponse:
        request = GetInvitationNoticeRequest(org_id=str(tenant.org_id), link_id=str(link_id))
        reply: GetInvitationNoticeResponse = await InvitationServiceStub(
            self.worker
        ).GetInvitationNotice(request)
        return reply

    async def link_id(self, invitation_id: str) -> UUID:
        """Return what the event that asks for the mail names."""
        found: UUID = await self.scalar(
            "SELECT link_id FROM tenancy.invitations WHERE id = %s", invitation_id
        )
        return found

    async def token(self, tenant: Tenant, invitation_id: str) -> str:
        """Return what the mail of an invitation has in its link."""
        return (await self.notice(tenant, await self.link_id(invitation_id))).token

    async def roles(self, tenant: Tenant, caller: Caller) -> list[int]:
        """Return the roles of all of somebody's memberships in an organization."""
        rows = await self.admin.execute(
            "SELECT role FROM tenancy.memberships WHERE org_id = %s AND user_id = %s",
            [tenant.org_id, caller.user_id],
        )
        return [role for (role,) in await rows.fetchall()]

    async def scalar(self, query: str, *parameters: object) -> Any:
        row = await (await self.admin.execute(query.encode(), parameters)).fetchone()
        return row[0] if row else None

    async def refusals(self, caller: Caller, token: str) -> set[tuple[str, str]]:
        """Return in what words a link is refused, wherever it is shown."""
        found = set()
        for shown in (
            self.preview(token),
            self.accept(caller, token),
            self.check(token, caller.email),
        ):
            try:
                await shown
            except PeerError as error:
                found.add((error.reason, error.detail))
            else:
                found.add(("", ""))
        return found
