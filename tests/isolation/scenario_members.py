"""All that an organization does about who belongs to it."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tenon.tenancy.v1.invitation_pb2 import Invitation
from tenon.tenancy.v1.invitation_service_pb2 import (
    AcceptInvitationRequest,
    CreateInvitationRequest,
    ListInvitationsRequest,
    PreviewInvitationRequest,
    ResendInvitationRequest,
    RevokeInvitationRequest,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.member_service_pb2 import (
    CheckAccountsRequest,
    CheckMembershipsRequest,
    ListMembersRequest,
    MembershipKey,
    RemoveMemberRequest,
    UpdateMemberRequest,
)
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    DeclineOwnershipRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, ROLE_VIEWER
from tenon_core import clock
from tenon_policy.policies import Role
from tenon_rotation.indexes import IndexRotation
from tenon_rotation.models import Level
from tenon_rpc.backbone import open_backbone
from tenon_rpc.status import PeerError
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.members.repository import ReleaseRepository
from tenon_testing.callers import Tenant
from tests.isolation.stage import Stage, pages
from tests.isolation.worlds import Registry


async def use_members(stage: Stage, tenant: Tenant) -> None:
    """Change and remove a member; the last owner stays one."""
    members, org_id = MemberServiceStub(stage.tenancy), str(tenant.org_id)
    registry = Registry(stage.system, stage.callers, stage.admin)
    member = await registry.join(tenant.org_id, Role.MEMBER)
    named: dict[str, Any] = {"org_id": org_id, "user_id": str(member.user_id)}
    await pages(members.ListMembers, ListMembersRequest, tenant, org_id=org_id)
    await members.CheckMemberships(CheckMembershipsRequest(keys=[MembershipKey(**named)]))
    await members.CheckAccounts(CheckAccountsRequest(org_ids=[org_id]))
    await members.UpdateMember(
        UpdateMemberRequest(**named, role=ROLE_ADMIN), metadata=tenant.metadata
    )
    await members.RemoveMember(RemoveMemberRequest(**named), metadata=tenant.metadata)
    last: dict[str, Any] = {"org_id": org_id, "user_id": str(tenant.owner.user_id)}
    lowered = UpdateMemberRequest(**last, role=ROLE_VIEWER)
    with pytest.raises(PeerError) as refused:
        await members.UpdateMember(lowered, metadata=tenant.metadata)
    assert refused.value.reason == "last_owner"
    await _release(stage, member.user_id)


async def use_invitations(stage: Stage, tenant: Tenant) -> None:
    """Invite people: one who comes, one who must not, and one who never does."""
    invitations, org_id = InvitationServiceStub(stage.tenancy), str(tenant.org_id)
    ada = await stage.callers.user()
    wanted = await _invited(stage, tenant, ada.email)
    unwanted = await _invited(stage, tenant, f"{uuid4()}@example.com")
    await pages(invitations.ListInvitations, ListInvitationsRequest, tenant, org_id=org_id)
    await invitations.ResendInvitation(
        ResendInvitationRequest(org_id=org_id, invitation_id=wanted.id), metadata=tenant.metadata
    )
    token = await _token(stage, tenant, wanted)
    await invitations.PreviewInvitation(PreviewInvitationRequest(token=token))
    await invitations.AcceptInvitation(AcceptInvitationRequest(token=token), metadata=ada.metadata)
    await invitations.RevokeInvitation(
        RevokeInvitationRequest(org_id=org_id, invitation_id=unwanted.id),
        metadata=tenant.metadata,
    )
    outdate = "UPDATE tenancy.invited_addresses SET canonical_version = 1 WHERE org_id = %s"
    await _invited(stage, tenant, f"{uuid4()}@example.com")
    await stage.admin.execute(outdate.encode(), [tenant.org_id])
    assert await _has_outdated_indexes(stage)  # inviting hashes it again
    await _forget(stage, tenant, await _invited(stage, tenant, f"{uuid4()}@example.com"))


async def hand_over(stage: Stage, tenant: Tenant) -> None:
    """Offer it and withdraw that; offer it again, and let the member accept and hand it back."""
    ownership, org_id = OwnershipServiceStub(stage.tenancy), str(tenant.org_id)
    registry = Registry(stage.system, stage.callers, stage.admin)
    heir = await registry.join(tenant.org_id, Role.ADMIN)
    offer = TransferOwnershipRequest(org_id=org_id, user_id=str(heir.user_id))
    await ownership.TransferOwnership(offer, metadata=tenant.metadata)
    declined = DeclineOwnershipRequest(org_id=org_id)
    await ownership.DeclineOwnership(declined, metadata=tenant.metadata)
    await ownership.TransferOwnership(offer, metadata=tenant.metadata)
    accepted = AcceptOwnershipRequest(org_id=org_id)
    await ownership.AcceptOwnership(accepted, metadata=heir.metadata)
    back = UpdateMemberRequest(org_id=org_id, user_id=str(tenant.owner.user_id), role=ROLE_OWNER)
    await MemberServiceStub(stage.tenancy).UpdateMember(back, metadata=heir.metadata)
    gone = RemoveMemberRequest(org_id=org_id, user_id=str(heir.user_id))
    await MemberServiceStub(stage.tenancy).RemoveMember(gone, metadata=heir.metadata)


async def _invited(stage: Stage, tenant: Tenant, email: str) -> Invitation:
    request = CreateInvitationRequest(org_id=str(tenant.org_id), email=email, role=ROLE_MEMBER)
    reply = await InvitationServiceStub(stage.tenancy).CreateInvitation(
        request, metadata=tenant.metadata
    )
    return reply.invitation


async def _has_outdated_indexes(stage: Stage) -> bool:
    """Ask as the daily look at the keys does."""
    async with open_backbone("tenancy", stage.system.settings(tenancy_app.APP)) as backbone:
        indexes = Foundation(backbone).rotations.service.levels[Level.INDEX]
        assert isinstance(indexes, IndexRotation)
        return await indexes.has_outdated()


async def _release(stage: Stage, user_id: UUID) -> None:
    """Let a user leave for good, and take that back, as when they turn out to be a last owner."""
    async with (
        open_backbone("tenancy", stage.system.settings(tenancy_app.APP)) as backbone,
        backbone.database.user(user_id) as tx,
    ):
        releases = ReleaseRepository(tx, user_id)
        await releases.lock()
        await releases.add(clock.now())
        await releases.remove()


async def _token(stage: Stage, tenant: Tenant, invitation: Invitation) -> str:
    """Return what its mail has in the link, as notifications asks for it."""
    link = "SELECT link_id FROM tenancy.invitations WHERE (org_id, id) = (%s, %s)"
    link_id = await stage.scalar(link, tenant.org_id, UUID(invitation.id))
    async with open_backbone("tenancy", stage.system.settings(tenancy_app.APP)) as backbone:
        token, _ = await Foundation(backbone).invitations.get_notice(tenant.org_id, link_id)
    return token


async def _forget(stage: Stage, tenant: Tenant, invitation: Invitation) -> None:
    """Do what a job does once an invitation has been over for long."""
    over = "UPDATE tenancy.invitations SET expire_time = now() - interval '1 year' WHERE id = %s"
    await stage.admin.execute(over.encode(), [invitation.id])
    async with (
        open_backbone("tenancy", stage.system.settings(tenancy_app.APP)) as backbone,
        backbone.database.tenant(tenant.org_id) as tx,
    ):
        await Foundation(backbone).invitations.forget(tx, tenant.org_id)
