from dataclasses import replace
from uuid import UUID

from tenon_core import clock
from tenon_core.email_addresses import canonical_form, parse_address, parse_new_address
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_crypto.row_tokens import OwnedRow, RowTokens
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call
from tenon_policy.policies import Role
from tenon_tenancy import events
from tenon_tenancy.clients import Directory
from tenon_tenancy.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationForAnotherAddress,
    InvitationNotFound,
    InvitationSpent,
    TooManyInvitations,
    VerifiedEmailRequired,
)
from tenon_tenancy.invitations.indexes import InvitationIndexes
from tenon_tenancy.invitations.mails import InvitationMails
from tenon_tenancy.invitations.models import (
    KEPT,
    LIFE,
    MAX_INVITATIONS,
    Invitation,
    Preview,
)
from tenon_tenancy.invitations.repository import InvitationRepository
from tenon_tenancy.members.models import require_reach
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organizations.service import OrganizationService
from tenon_tenancy.policies.service import PolicyService

FORGET = "invitations.forget"


class InvitationService:
    """Who may come to belong to an organization.

    Whatever changes an invitation holds the lock of the organization's row, as whatever changes a
    member does: so it is known who may invite, and one goes after the other.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        indexes: InvitationIndexes,
        tokens: RowTokens,
        queue: JobQueue,
        mails: InvitationMails,
        directory: Directory,
        members: MemberService,
        organizations: OrganizationService,
        policies: PolicyService,
        *,
        smtputf8: bool,
    ) -> None:
        self._smtputf8 = smtputf8
        self._database = database
        self._cipher = cipher
        self._indexes = indexes
        self._tokens = tokens
        self._queue = queue
        self._mails = mails
        self._directory = directory
        self._members = members
        self._organizations = organizations
        self._policies = policies

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Invitation]:
        """List them, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await self._invitations(tx, call.org).page(before, size + 1)
        return cut(found, size, lambda invitation: (invitation.id,))

    async def create(self, call: Call, email: str, role: Role) -> Invitation:
        """Invite an address; InvalidEmail, VerifiedEmailRequired, RoleAboveOwn,
        MailDomainNotAllowed, AlreadyInvited, TooManyInvitations, TooManyMails.
        """
        email = parse_new_address(email, smtputf8=self._smtputf8).display
        at = clock.now()
        await self._require_verified(call.user)
        terms = await self._indexes.terms(email)
        invitation = Invitation(call.org, uuid7(), email, role, call.user, uuid7(), at, at + LIFE)
        async with self._database.tenant(call.org) as tx:
            require_reach(await self._members.own_role_within(tx, call), role)
            await self._policies.require_address(tx, call.org, email)
            await self._indexes.fill(tx, call.org)
            invitations = self._invitations(tx, call.org)
            if await invitations.count() >= MAX_INVITATIONS:
                raise TooManyInvitations
            if not await invitations.add(invitation, terms):
                raise AlreadyInvited
            await self._send(tx, call, invitation)
        return invitation

    async def resend(self, call: Call, invitation_id: UUID | None) -> Invitation:
        """Send an invitation under a new link, in the caller's name; VerifiedEmailRequired,
        InvitationNotFound, RoleAboveOwn, MailDomainNotAllowed, TooManyMails.
        """
        await self._require_verified(call.user)
        async with self._database.tenant(call.org) as tx:
            invitation = replace(
                await self._lock(tx, call, invitation_id),
                inviter_id=call.user,
                link_id=uuid7(),
                expire_time=clock.now() + LIFE,
            )
            await self._policies.require_address(tx, call.org, invitation.email)
            await self._indexes.fill(tx, call.org)
            terms = await self._indexes.terms(invitation.email)
            await self._invitations(tx, call.org).renew(invitation, terms)
            await self._send(tx, call, invitation)
        return invitation

    async def revoke(self, call: Call, invitation_id: UUID | None) -> None:
        """Take an invitation back; InvitationNotFound, RoleAboveOwn."""
        async with self._database.tenant(call.org) as tx:
            invitation = await self._lock(tx, call, invitation_id)
            await self._invitations(tx, call.org).remove(invitation.id)
            await tx.publish(
                events.invitation_revoked(call.org, invitation.id),
                call.access(f"invitations/{invitation.id}"),
            )

    async def preview(self, call: Call, token: str) -> Preview:
        """Return what an invitation is to, for whoever has its link; InvitationSpent."""
        link = await self._link(token)
        async with self._database.tenant(link.owner_id) as tx:
            invitation = await self._good(tx, link)
            await tx.publish(call.access(f"invitations/{invitation.id}", org_id=invitation.org_id))
            return await self._preview(tx, invitation)

    async def accept(self, call: Call, token: str) -> Invitation:
        """Make the caller a member; AlreadyMember, InvitationSpent, MailDomainNotAllowed,
        InvitationForAnotherAddress, TooManyOrganizations.
        """
        link = await self._link(token)
        org_id = link.owner_id
        async with self._database.tenant(org_id) as tx:
            invitation = await self._acceptable(tx, link, call.user)
        await self._directory.confirm_address(call.user, invitation.email)
        async with self._database.tenant(org_id) as tx:
            await self._members.lock_within(tx, org_id)
            invitation = await self._acceptable(tx, link, call.user)
            await self._invitations(tx, org_id).remove(invitation.id)
            await tx.publish(
                events.invitation_accepted(org_id, invitation.id, call.user, invitation.role),
                call.access(f"invitations/{invitation.id}", org_id=org_id),
            )
            await self._members.add_within(tx, org_id, call.user, invitation.role, clock.now())
        return invitation

    async def check(self, token: str, email: str) -> None:
        """Let whoever has this link make an account with this address, or not; InvitationSpent,
        InvitationForAnotherAddress, InvalidEmail.
        """
        link = await self._link(token)
        async with self._database.tenant(link.owner_id) as tx:
            invitation = await self._good(tx, link)
        if canonical_form(invitation.email) != parse_address(email).canonical:
            raise InvitationForAnotherAddress

    async def get_notice(self, org_id: UUID | None, link_id: UUID | None) -> tuple[str, Preview]:
        """Return the token of a link that is good, and what its mail says; InvitationNotFound."""
        if org_id is None or link_id is None:
            raise InvitationNotFound
        link = OwnedRow(org_id, link_id)
        async with self._database.tenant(org_id) as tx:
            invitation = await self._find_good(tx, link)
            if invitation is None:
                raise InvitationNotFound
            preview = await self._preview(tx, invitation)
        return await self._tokens.derive(link), preview

    async def forget(self, tx: Transaction, org_id: UUID) -> None:
        """Remove the invitations that have been over long enough, in a tenant's transaction."""
        await self._invitations(tx, org_id).remove_over(clock.now() - KEPT)

    def _invitations(self, tx: Transaction, org_id: UUID) -> InvitationRepository:
        return InvitationRepository(tx, self._cipher, org_id)

    async def _require_verified(self, user_id: UUID) -> None:
        """Only an account that has proved its own address may have mail sent to others."""
        profile = (await self._directory.profiles([user_id])).get(user_id)
        if profile is None or not profile.is_verified:
            raise VerifiedEmailRequired

    async def _lock(self, tx: Transaction, call: Call, invitation_id: UUID | None) -> Invitation:
        """Return an invitation that the caller may send, or take back, until the commit."""
        own = await self._members.own_role_within(tx, call)
        invitations = self._invitations(tx, call.org)
        invitation = await invitations.find(invitation_id) if invitation_id else None
        if invitation is None:
            raise InvitationNotFound
        require_reach(own, invitation.role)
        return invitation

    async def _send(self, tx: Transaction, call: Call, invitation: Invitation) -> None:
        """Have it mailed, and forgotten when it is long over; TooManyMails."""
        send_time = await self._mails.charge(tx, call.org, call.user, invitation.email)
        over = invitation.expire_time + KEPT
        await self._queue.enqueue(tx, FORGET, {}, org_id=invitation.org_id, run_at=over)
        await tx.publish(
            events.invitation_sent(invitation, send_time),
            call.access(f"invitations/{invitation.id}"),
        )

    async def _link(self, token: str) -> OwnedRow:
        link = await self._tokens.read(token)
        if link is None:
            raise InvitationSpent
        return link

    async def _acceptable(self, tx: Transaction, link: OwnedRow, user_id: UUID) -> Invitation:
        """Return what a stranger may accept; AlreadyMember, above all to whoever was quicker with
        the same link, and so looked for after the invitation; InvitationSpent,
        MailDomainNotAllowed.
        """
        invitation = await self._find_good(tx, link)
        if await self._members.role_within(tx, link.owner_id, user_id) is not Role.NONE:
            raise AlreadyMember
        if invitation is None:
            raise InvitationSpent
        await self._policies.require_address(tx, link.owner_id, invitation.email)
        return invitation

    async def _good(self, tx: Transaction, link: OwnedRow) -> Invitation:
        """Return the invitation of a link, if that can be accepted now; InvitationSpent."""
        invitation = await self._find_good(tx, link)
        if invitation is None:
            raise InvitationSpent
        return invitation

    async def _find_good(self, tx: Transaction, link: OwnedRow) -> Invitation | None:
        invitation = await self._invitations(tx, link.owner_id).find_by_link(link.id)
        if invitation is None:
            return None
        inviter = await self._members.role_within(tx, link.owner_id, invitation.inviter_id)
        return invitation if invitation.is_good(inviter, clock.now()) else None

    async def _preview(self, tx: Transaction, invitation: Invitation) -> Preview:
        name = await self._organizations.name_within(tx, invitation.org_id)
        return Preview(name, invitation.email, invitation.role, invitation.expire_time)
