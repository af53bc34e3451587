"""Everything that can go wrong in tenancy."""

from tenon_core.errors import Code, LimitError, NotFound, TenonError


class SlugTaken(TenonError):
    """Another organization has this slug. Choose a different one."""

    code = Code.ALREADY_EXISTS
    reason = "slug_taken"


class TooManyOrganizations(LimitError):
    """A user owns as many organizations as a user can. Delete an organization, transfer its
    ownership, or ask the operator for a higher limit.
    """

    code = Code.FAILED_PRECONDITION
    reason = "too_many_organizations"
    advice = (
        "Delete an organization, transfer its ownership, or ask the operator for a higher limit."
    )


class TooManySlugs(TenonError):
    """An organization keeps ten slugs that it had before, and no more. Take one of them back."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_slugs"


class WouldLockYouOut(TenonError):
    """You would not meet this policy yourself. `errors` says why."""

    code = Code.FAILED_PRECONDITION
    reason = "would_lock_you_out"


class MailDomainNotAllowed(TenonError):
    """This organization has nobody with an address of this domain."""

    code = Code.FAILED_PRECONDITION
    reason = "mail_domain_not_allowed"


class AccountBeingDeleted(TenonError):
    """Your account is being deleted, so it cannot join or create an organization."""

    code = Code.FAILED_PRECONDITION
    reason = "account_being_deleted"


class MemberNotFound(TenonError):
    """There is no such member."""

    code = Code.NOT_FOUND
    reason = "member_not_found"


class RoleAboveOwn(TenonError):
    """A role above your own is not yours to give or to change. Ask an owner."""

    code = Code.PERMISSION_DENIED
    reason = "role_above_own"


class LastOwner(TenonError):
    """An organization keeps at least one owner. Make somebody else an owner first."""

    code = Code.FAILED_PRECONDITION
    reason = "last_owner"


class VerifiedEmailRequired(TenonError):
    """Verify your email address before you invite people. The link is in the mail that we sent
    you; `POST /api/auth/email/verify:send` sends another one.
    """

    code = Code.PERMISSION_DENIED
    reason = "verified_email_required"


class InvitationNotFound(NotFound):
    """There is no such invitation, or somebody has accepted it."""

    reason = "invitation_not_found"


class AlreadyInvited(TenonError):
    """This address has an invitation already. Send that one again, or revoke it."""

    code = Code.ALREADY_EXISTS
    reason = "already_invited"


class TooManyInvitations(TenonError):
    """The organization has as many open invitations as it may. Revoke those nobody accepts."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_invitations"


class InvitationSpent(TenonError):
    """This link is good for nothing any more. Look for a newer mail, or ask to be invited again."""

    code = Code.FAILED_PRECONDITION
    reason = "invitation_spent"


class InvitationForAnotherAddress(TenonError):
    """This invitation was sent to another address than your account's."""

    code = Code.PERMISSION_DENIED
    reason = "invitation_for_another_address"


class AlreadyMember(TenonError):
    """You are a member of this organization already."""

    code = Code.ALREADY_EXISTS
    reason = "already_member"


class AlreadyOwner(TenonError):
    """This member is an owner already."""

    code = Code.ALREADY_EXISTS
    reason = "already_owner"


class OwnershipOffered(TenonError):
    """Somebody has an offer to own the organization already. It can be withdrawn."""

    code = Code.ALREADY_EXISTS
    reason = "ownership_offered"


class OwnershipOfferNotFound(NotFound):
    """There is no offer to own the organization that is yours to accept or to end."""

    reason = "ownership_offer_not_found"


class OrganizationDeletionNotFound(TenonError):
    """There is no such deletion of an organization, or it was undone, or it is not yours to see."""

    code = Code.NOT_FOUND
    reason = "organization_deletion_not_found"


class UsageUnavailable(TenonError):
    """A service that counts what is used does not answer. Try again soon."""

    code = Code.UNAVAILABLE
    reason = "usage_unavailable"


class AuditLogBroken(TenonError):
    """This audit log is not what was signed. Whoever operates the system has to verify it."""

    code = Code.FAILED_PRECONDITION
    reason = "audit_log_broken"


class AuditExportNotFound(TenonError):
    """There is no such export of the audit log."""

    code = Code.NOT_FOUND
    reason = "audit_export_not_found"


class AuditExportNotFinished(TenonError):
    """The export has no files: it has not succeeded, or not yet."""

    code = Code.FAILED_PRECONDITION
    reason = "audit_export_not_finished"


class AuditExportExpired(TenonError):
    """The export's files have been deleted. Start another one."""

    code = Code.FAILED_PRECONDITION
    reason = "audit_export_expired"


class TooManyAuditExports(TenonError):
    """As many exports of the audit log as may be at once are on their way. Wait for one to end."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_audit_exports"


class AuditStreamNotFound(TenonError):
    """There is no such stream of the audit log."""

    code = Code.NOT_FOUND
    reason = "audit_stream_not_found"


class TooManyAuditStreams(TenonError):
    """An organization has ten streams of its audit log at most. Delete one first."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_audit_streams"
