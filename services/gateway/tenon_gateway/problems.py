"""Errors as RFC 9457 problem documents: the one form in which the gateway tells what went wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from tenon_core.errors import Code, FieldError, QuotaExceeded, TenonError

CONTENT_TYPE = "application/problem+json"

_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.FAILED_PRECONDITION: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.INTERNAL: 500,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
_INTERNAL = 500
_RETRY_LATER = {429, 503}


class Refusal(Exception):
    """A request that HTTP itself refuses, with no gRPC code to say so: 400, 403, 404, 405, 408,
    415, 421 and 431. Each kind is a class whose docstring is the message.
    """

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or self.message())
        self.headers = dict(headers or {})

    @classmethod
    def message(cls) -> str:
        """Return the docstring on one line."""
        return " ".join((cls.__doc__ or "").split())


@dataclass(frozen=True, slots=True)
class Problem:
    """A reply that says what went wrong, ready to be sent."""

    status: int
    code: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def problem_of(error: BaseException, request_id: str) -> Problem:
    """Return the problem that an error is; whatever was not foreseen tells nothing of itself."""
    if isinstance(error, Refusal):
        return _problem(error.status, error.code, str(error), request_id, headers=error.headers)
    if isinstance(error, TenonError) and error.code is not Code.INTERNAL:
        return _of_tenon(error, request_id)
    return _problem(_INTERNAL, TenonError.reason, TenonError.message(), request_id)


def http_status(code: Code, reason: str, *, fields: bool = False) -> int:
    """Return the status for an error's code; `fields` says whether it names fields."""
    if reason.endswith("too_large") or reason == QuotaExceeded.reason:
        return 413  # gRPC has no code of its own for it
    if code is Code.INVALID_ARGUMENT and fields:
        return 422
    return _STATUS[code]


def _of_tenon(error: TenonError, request_id: str) -> Problem:
    status = http_status(error.code, error.reason, fields=bool(error.fields))
    headers: dict[str, str] = {}
    if status in _RETRY_LATER:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after or 1)))
    if error.code is Code.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    return _problem(
        status,
        error.reason,
        error.detail,
        request_id,
        errors=error.fields,
        headers=headers,
        limit=error.limit,
    )


def _problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    limit: str = "",
) -> Problem:
    document: dict[str, Any] = {
        "type": f"urn:tenon:error:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if limit:
        document["limit"] = limit
    if errors:
        document["errors"] = [
            {"pointer": error.pointer, "message": error.message} for error in errors
        ]
    return Problem(
        status,
        code,
        orjson.dumps(document),
        {"content-type": CONTENT_TYPE, "cache-control": "no-store", **(headers or {})},
    )
