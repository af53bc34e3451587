"""Everything that can go wrong in tenancy."""

from tenon_core.errors import Code, TenonError


class SlugTaken(TenonError):
    """Another organization has this slug. Choose a different one."""

    code = Code.ALREADY_EXISTS
    reason = "slug_taken"


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
