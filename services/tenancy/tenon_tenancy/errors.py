"""Everything that can go wrong in tenancy."""

from tenon_core.errors import Code, TenonError


class SlugTaken(TenonError):
    """Another organization has this slug. Choose a different one."""

    code = Code.ALREADY_EXISTS
    reason = "slug_taken"


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


class AuditLogBroken(TenonError):
    """This audit log is not what was signed. Whoever operates the system has to verify it."""

    code = Code.FAILED_PRECONDITION
    reason = "audit_log_broken"
