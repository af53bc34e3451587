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


class AuditLogBroken(TenonError):
    """This audit log is not what was signed. Whoever operates the system has to verify it."""

    code = Code.FAILED_PRECONDITION
    reason = "audit_log_broken"


class AuditStreamNotFound(TenonError):
    """There is no such stream of the audit log."""

    code = Code.NOT_FOUND
    reason = "audit_stream_not_found"


class TooManyAuditStreams(TenonError):
    """An organization has ten streams of its audit log at most. Delete one first."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_audit_streams"
