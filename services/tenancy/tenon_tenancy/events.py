"""What tenancy tells the others."""

from uuid import UUID

from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.events_pb2 import (
    InvitationAccepted,
    InvitationRevoked,
    InvitationSent,
    MemberRemoved,
    MemberUpdated,
    OrganizationCreated,
    OwnershipDeclined,
    OwnershipOffered,
    OwnershipTransferred,
)
from tenon_core.events import Event
from tenon_policy.policies import Role


def organization_created(org_id: UUID, owner_id: UUID) -> Event:
    payload = OrganizationCreated(org_id=str(org_id), owner_id=str(owner_id))
    return Event.of(payload, org_id=org_id)


def member_updated(org_id: UUID, user_id: UUID, role: Role) -> Event:
    payload = MemberUpdated(
        org_id=str(org_id), user_id=str(user_id), role=role_pb2.Role.ValueType(role)
    )
    return Event.of(payload, org_id=org_id)


def member_removed(org_id: UUID, user_id: UUID) -> Event:
    payload = MemberRemoved(org_id=str(org_id), user_id=str(user_id))
    return Event.of(payload, org_id=org_id)


def invitation_sent(org_id: UUID, invitation_id: UUID, link_id: UUID) -> Event:
    payload = InvitationSent(
        org_id=str(org_id), invitation_id=str(invitation_id), link_id=str(link_id)
    )
    return Event.of(payload, org_id=org_id)


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
