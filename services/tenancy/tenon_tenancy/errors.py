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
