"""Everything that can go wrong in auth."""

from tenon_core.errors import Code, InvalidArgument, NotFound, TenonError, Unauthenticated


class EmailTaken(TenonError):
    """There is an account with this address already. Log in instead."""

    code = Code.ALREADY_EXISTS
    reason = "email_taken"


class SignUpClosed(TenonError):
    """Accounts are made by invitation only. Ask whoever runs this for one."""

    code = Code.PERMISSION_DENIED
    reason = "sign_up_closed"


class InvalidEmail(InvalidArgument):
    """The address is not one that mail can be sent to."""

    reason = "invalid_email"


class WeakPassword(InvalidArgument):
    """The password is too easy to guess."""

    reason = "weak_password"


class InvalidCredentials(Unauthenticated):
    """The address or the password is wrong."""

    reason = "invalid_credentials"


class WrongPassword(TenonError):
    """The current password is wrong."""

    code = Code.PERMISSION_DENIED
    reason = "wrong_password"


class TooManyGuesses(TenonError):
    """The password was wrong too often. Wait, or choose a new one by "forgot password"."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_guesses"


class TooManyLogIns(TenonError):
    """Too many people log in at this moment. Try again in a few seconds."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_log_ins"


class LinkNotFound(NotFound):
    """There is no such link that can still be used."""

    reason = "link_not_found"


class LinkSpent(TenonError):
    """The link was used before, or its time is over. Ask for a new one."""

    code = Code.FAILED_PRECONDITION
    reason = "link_spent"


class TooManyMails(TenonError):
    """You were sent several of these mails within the hour. Look for them, or wait."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_mails"


class SessionNotFound(NotFound):
    """There is no such session, or it is not yours."""

    reason = "session_not_found"


class LastOwner(TenonError):
    """An organization keeps at least one owner. Make somebody else an owner first."""

    code = Code.FAILED_PRECONDITION
    reason = "last_owner"


class ExportNotFound(NotFound):
    """There is no such export of yours, or it is not there yet, or not any more."""

    reason = "export_not_found"


class TooManyExports(TenonError):
    """You had several of these made within the day. Take the last one, or wait."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_exports"


class ErasureNotFound(NotFound):
    """There is no such erasure."""

    reason = "erasure_not_found"
