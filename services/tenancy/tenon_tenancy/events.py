"""What tenancy tells the others."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.events_pb2 import (
    InvitationAccepted,
    InvitationRevoked,
    InvitationSent,
    MemberRemoved,
    MemberUpdated,
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationDeletionFinished,
    OrganizationDeletionScheduled,
    OwnershipDeclined,
    OwnershipOffered,
    OwnershipTransferred,
)
from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_policy.policies import Role
from tenon_rpc.times import packed_time
from tenon_tenancy.invitations.models import Invitation
from tenon_tenancy.organization_deletions.models import OrganizationDeletion, Receipt


def organization_created(org_id: UUID, owner_id: UUID) -> Event:
    payload = OrganizationCreated(org_id=str(org_id), owner_id=str(owner_id))
    return Event.of(payload, org_id=org_id)


def member_updated(
    org_id: UUID, user_id: UUID, role: Role, *, revoke_api_keys: bool = False
) -> Event:
    payload = MemberUpdated(
        org_id=str(org_id),
        user_id=str(user_id),
        role=role_pb2.Role.ValueType(role),
        revoke_api_keys=revoke_api_keys,
    )
    return Event.of(payload, org_id=org_id)


def member_removed(org_id: UUID, user_id: UUID, *, revoke_api_keys: bool = False) -> Event:
    payload = MemberRemoved(
        org_id=str(org_id), user_id=str(user_id), revoke_api_keys=revoke_api_keys
    )
    return Event.of(payload, org_id=org_id)


def invitation_sent(invitation: Invitation, send_time: datetime) -> Event:
    """Have an invitation mailed, not before a time."""
    payload = InvitationSent(
        org_id=str(invitation.org_id),
        invitation_id=str(invitation.id),
        link_id=str(invitation.link_id),
        send_time=packed_time(send_time),
    )
    return Event.of(payload, org_id=invitation.org_id)


def invitation_accepted(org_id: UUID, invitation_id: UUID, user_id: UUID, role: Role) -> Event:
    payload = InvitationAccepted(
        org_id=str(org_id),
        invitation_id=str(invitation_id),
        user_id=str(user_id),
        role=role_pb2.Role.ValueType(role),
    )
    return Event.of(payload, org_id=org_id)


def invitation_revoked(org_id: UUID, invitation_id: UUID) -> Event:
    payload = InvitationRevoked(org_id=str(org_id), invitation_id=str(invitation_id))
    return Event.of(payload, org_id=org_id)


def ownership_offered(org_id: UUID, offer_id: UUID, owner_id: UUID, user_id: UUID) -> Event:
    payload = OwnershipOffered(
        org_id=str(org_id), offer_id=str(offer_id), owner_id=str(owner_id), user_id=str(user_id)
    )
    return Event.of(payload, org_id=org_id)


def ownership_declined(org_id: UUID, offer_id: UUID) -> Event:
    payload = OwnershipDeclined(org_id=str(org_id), offer_id=str(offer_id))
    return Event.of(payload, org_id=org_id)


def ownership_transferred(org_id: UUID, offer_id: UUID, owner_id: UUID, user_id: UUID) -> Event:
    payload = OwnershipTransferred(
        org_id=str(org_id), offer_id=str(offer_id), owner_id=str(owner_id), user_id=str(user_id)
    )
    return Event.of(payload, org_id=org_id)


def personal_data_erased(user_id: UUID, rows: int) -> Event:
    """Tell that nothing is left of somebody here; tenancy has no keys of people."""
    return Event.of(PersonalDataErased(user_id=str(user_id), rows=rows), user_id=user_id)


def organization_deletion_scheduled(
    deletion: OrganizationDeletion, owner_ids: Sequence[UUID]
) -> Event:
    payload = OrganizationDeletionScheduled(
        org_id=str(deletion.org_id), deletion_id=str(deletion.id), user_ids=map(str, owner_ids)
    )
    return Event.of(payload, org_id=deletion.org_id)


def organization_deleted(org_id: UUID) -> Event:
    return Event.of(OrganizationDeleted(org_id=str(org_id)), org_id=org_id)


def organization_deletion_finished(deletion: OrganizationDeletion) -> Event:
    """Tell that nothing is left; whoever has something for an organization takes it no more, so
    this is outside of any.
    """
    payload = OrganizationDeletionFinished(
        deletion_id=str(deletion.id), user_ids=map(str, deletion.owner_ids)
    )
    return Event.of(payload)


def organization_end_on_record(deletion: OrganizationDeletion) -> Event:
    """Return the audit record that the organization's time was over."""
    return _done_by("tenancy", "tenancy.organizations.end", deletion.org_id)


def erasure_on_record(receipt: Receipt) -> Event:
    """Return the audit record that a service has destroyed what it held."""
    return _done_by(receipt.service, "tenancy.organizations.erase", receipt.org_id)


def _done_by(service: str, action: str, org_id: UUID) -> Event:
    record = AccessRecorded(
        action=action,
        actor=f"services/{service}",
        resource=f"organizations/{org_id}",
        request_id=str(uuid7()),
        count=1,
        access_time=packed_time(clock.now()),
    )
    return Event.of(record, org_id=org_id)
