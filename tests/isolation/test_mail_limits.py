"""The limits on mail tell an organization nothing of what others did."""

from collections.abc import Awaitable, Mapping
from uuid import uuid4

import grpc
import psycopg

from tenon.tenancy.v1.events_pb2 import InvitationSent
from tenon.tenancy.v1.invitation_service_pb2 import (
    CreateInvitationRequest,
    ResendInvitationRequest,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    DeleteOrganizationRequest,
    UndeleteOrganizationRequest,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import (
    DeclineOwnershipRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tests.isolation.worlds import Registry

MANY = 12
"""More than any limit here but those on an organization's and a user's invitations in a day."""
MINUTE = 60


async def outcome(asked: Awaitable[object]) -> tuple[object, ...]:
    """Return all that a reply says of a limit; the time to wait to the minute."""
    try:
        await asked
    except PeerError as error:
        wait = round((error.retry_after or 0) / MINUTE)
        return error.code, error.reason, error.limit, error.detail, wait
    return ()


class Mailer:
    """Does all that has mail sent, in one organization."""

    def __init__(self, tenancy: grpc.aio.Channel, tenant: Tenant) -> None:
        self._invitations = InvitationServiceStub(tenancy)
        self._ownership = OwnershipServiceStub(tenancy)
        self._deletions = OrganizationDeletionServiceStub(tenancy)
        self._org = {"org_id": str(tenant.org_id)}
        self._metadata = tenant.metadata

    async def invite(self, email: str) -> str:
        request = CreateInvitationRequest(**self._org, email=email, role=ROLE_MEMBER)
        made = await self._invitations.CreateInvitation(request, metadata=self._metadata)
        return str(made.invitation.id)

    async def invite_tagged(self, name: str) -> None:
        """Invite one mailbox until it is refused."""
        for number in range(MANY):
            await outcome(self.invite(f"{name}+{number}@example.com"))

    async def everything(self, email: str, heir_id: str) -> list[tuple[object, ...]]:
        """Return what the replies say when each is asked for more often than is allowed."""
        invitation_id = await self.invite(email)
        resend = ResendInvitationRequest(**self._org, invitation_id=invitation_id)
        found = [
            await outcome(self._invitations.ResendInvitation(resend, metadata=self._metadata))
            for _ in range(MANY)
        ]
        for _ in range(MANY):
            offer = TransferOwnershipRequest(**self._org, user_id=heir_id)
            found.append(
                await outcome(self._ownership.TransferOwnership(offer, metadata=self._metadata))
            )
            declined = DeclineOwnershipRequest(**self._org)
            await outcome(self._ownership.DeclineOwnership(declined, metadata=self._metadata))
            delete = DeleteOrganizationRequest(**self._org)
            found.append(
                await outcome(self._deletions.DeleteOrganization(delete, metadata=self._metadata))
            )
            undelete = UndeleteOrganizationRequest(**self._org)
            await outcome(self._deletions.UndeleteOrganization(undelete, metadata=self._metadata))
        return found


async def is_delayed(admin: psycopg.AsyncConnection, tenant: Tenant) -> bool:
    """Say whether an organization's first invitation is mailed later than it was made."""
    query = (
        "SELECT payload, event_time FROM tenancy.outbox WHERE org_id = %s"
        " AND type = 'tenon.tenancy.v1.InvitationSent' ORDER BY id LIMIT 1"
    )
    row = await (await admin.execute(query, [tenant.org_id])).fetchone()
    assert row is not None
    sent = InvitationSent.FromString(row[0])
    return bool(sent.send_time.seconds - row[1].timestamp() > MINUTE)


async def test_no_reply_depends_on_what_other_organizations_mailed(
    whole_system: System,
    channels: Mapping[str, grpc.aio.Channel],
    callers: Callers,
    admin: psycopg.AsyncConnection,
) -> None:
    tenancy, registry = channels["tenancy"], Registry(whole_system, callers, admin)
    name = uuid4().hex
    for _ in range(3):
        await Mailer(tenancy, await callers.tenant()).invite_tagged(name)
    replies = []
    for email in (f"{name}@example.com", f"{uuid4()}@example.com"):
        tenant = await callers.tenant()
        heir = await registry.join(tenant.org_id, Role.MEMBER)
        replies.append(await Mailer(tenancy, tenant).everything(email, str(heir.user_id)))
        assert await is_delayed(admin, tenant) is email.startswith(name)  # others do count
    assert replies[0] == replies[1]
    assert {reply[2] for reply in replies[0] if reply} == {
        "invitation_mails_per_organization_and_recipient",
        "ownership_offer_mails_per_organization",
        "deletion_mails_per_organization",
    }
