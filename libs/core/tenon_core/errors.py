"""What goes wrong, named once and told in the same words over gRPC and HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Code(Enum):
    """gRPC's status codes that an error of ours may have, by their numbers."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: an RFC 6901 pointer into the request, and what to do.

    `code` is that of the error if nothing else is wrong; empty for `invalid_argument`.
    """

    pointer: str
    message: str
    code: str = ""


class TenonError(Exception):
    """Something went wrong."""

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str | None = None,
        *,
        fields: Sequence[FieldError] = (),
        retry_after: float | None = None,
        limit: str = "",
    ) -> None:
        """Take the message from the class unless `detail` is given; `retry_after` in seconds.

        `limit` is the name of the limit that was reached, if one was.
        """
        super().__init__(detail or self.message())
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.limit = limit

    @classmethod
    def message(cls) -> str:
        """Return what the class's docstring says, on one line."""
        return " ".join((cls.__doc__ or "").split())

    @property
    def detail(self) -> str:
        return str(self)


class InvalidArgument(TenonError):
    """Some fields are not valid; `errors` names each."""

    code = Code.INVALID_ARGUMENT
    reason = "invalid_argument"


class InvalidPageToken(InvalidArgument):
    """The page token does not belong to this list. Start again without it."""

    reason = "invalid_page_token"

    @classmethod
    def of_another_list(cls) -> "InvalidPageToken":
        message = "is not a page token of this list; start again without it"
        return cls(fields=[FieldError("/page_token", message)])


def invalid_fields(fields: Sequence[FieldError]) -> InvalidArgument:
    """Return the error for these fields, with their own code if all have the same one."""
    error = InvalidArgument(fields=fields)
    codes = {field.code for field in fields}
    if len(codes) == 1 and "" not in codes:
        error.reason = codes.pop()  # type: ignore[misc] # the fields' instead of the class's
    return error


class RequestTooLarge(TenonError):
    """The request is larger than this method takes. Send less at once."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "request_too_large"


class NotFound(TenonError):
    """There is no such thing here, or it is not yours to see."""

    code = Code.NOT_FOUND
    reason = "not_found"


class Unauthenticated(TenonError):
    """Log in first."""

    code = Code.UNAUTHENTICATED
    reason = "unauthenticated"


class SessionEnded(TenonError):
    """This session has ended. Log in again."""

    code = Code.UNAUTHENTICATED
    reason = "session_ended"


class RecentAuthRequired(TenonError):
    """This needs a log-in of the last ten minutes. Confirm that it is you, and try again."""

    code = Code.PERMISSION_DENIED
    reason = "recent_auth_required"


class RoleTooLow(TenonError):
    """Your role in this organization does not allow it. Ask an admin."""

    code = Code.PERMISSION_DENIED
    reason = "role_too_low"


class MfaRequired(TenonError):
    """This organization asks for a second factor. Confirm with yours that it is you."""

    code = Code.PERMISSION_DENIED
    reason = "mfa_required"


class SessionTooOld(TenonError):
    """This organization asks for a log-in of late. Confirm that it is you, and try again."""

    code = Code.PERMISSION_DENIED
    reason = "session_too_old"


class NetworkNotAllowed(TenonError):
    """This organization lets nobody in from your network."""

    code = Code.PERMISSION_DENIED
    reason = "network_not_allowed"


class InvalidApiKey(Unauthenticated):
    """There is no such API key, or it was revoked, or its time is over."""

    reason = "invalid_api_key"


class ApiKeyRequired(TenonError):
    """This describes an API key. Send one in the Authorization header, without cookies."""

    code = Code.PERMISSION_DENIED
    reason = "api_key_required"


class UserRequired(TenonError):
    """This needs a person's session; an API key cannot do it."""

    code = Code.PERMISSION_DENIED
    reason = "user_required"


class PermissionNotGranted(TenonError):
    """This API key was not given the permission for it."""

    code = Code.PERMISSION_DENIED
    reason = "permission_not_granted"


class PeerNotAllowed(TenonError):
    """This method is for other services, and not for the one that called."""

    code = Code.PERMISSION_DENIED
    reason = "peer_not_allowed"


class Overloaded(TenonError):
    """Too much at once. Try again a little later."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "overloaded"


class LimitError(TenonError):
    """A limit was reached; `limit` names it."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "limit_exceeded"
    advice: ClassVar[str] = ""
    """What the caller can do; the end of each message."""


class LimitExceeded(LimitError):
    """A limit was reached; `limit` names it. Wait as long as Retry-After says, then try again."""

    advice = "Wait as long as Retry-After says, then try again."


class QuotaExceeded(LimitError):
    """A quota is used up; `limit` names it. Delete data, or ask the operator for a larger quota."""

    reason = "quota_exceeded"
    advice = "Delete data, or ask the operator for a larger quota."


class TooManyMails(LimitError):
    """Too many emails were sent; `limit` names the limit. Wait as long as Retry-After says. The
    emails that were sent before are still valid.
    """

    reason = "too_many_mails"
    advice = "Wait as long as Retry-After says. The emails that were sent before are still valid."


class Unavailable(TenonError):
    """A part of the system that this needs does not answer. Try again soon."""

    code = Code.UNAVAILABLE
    reason = "unavailable"


class StorageFull(Unavailable):
    """A disk of the system is full, so this was not stored. Try again later; the operator has to
    free space.
    """

    reason = "storage_full"


class DeadlineExceeded(TenonError):
    """It took longer than the caller was ready to wait."""

    code = Code.DEADLINE_EXCEEDED
    reason = "deadline_exceeded"
