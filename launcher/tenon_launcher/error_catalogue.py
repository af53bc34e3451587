"""The catalogue of errors for the docs, from their classes: code, status and message."""

from collections.abc import Iterator
from importlib import import_module

from tenon_core.errors import Code, TenonError
from tenon_gateway.problems import Refusal, http_status

MODULES = (
    "tenon_core.email_addresses",
    "tenon_policy.tokens",
    "tenon_auth.errors",
    "tenon_tenancy.errors",
    "tenon_reports.errors",
    "tenon_notifications.errors",
    "tenon_gateway.errors",
)
HEAD = """# Errors

Generated from the errors' classes by `tenon routes`; do not edit.

Every error is a problem document (RFC 9457, `application/problem+json`).
- `code` is stable and stands below.
- `errors` names each wrong field by an RFC 6901 pointer.
- `limit` names the limit that was reached ([all limits](limits.md)).
- `request_id` finds the request in the logs.
- The statuses 429 and 503 come with `Retry-After`.

| Code | Status | Message |
| --- | --- | --- |
"""


def error_catalogue() -> str:
    """Return the page: one line for each code that a reply may have."""
    for module in MODULES:
        import_module(module)
    rows = {
        error.reason: (_status(error), error.message())
        for error in _kinds(TenonError)
        if error.code is not Code.INTERNAL
    } | {refusal.code: (refusal.status, refusal.message()) for refusal in Refusal.__subclasses__()}
    lines = [f"| `{code}` | {status} | {text} |" for code, (status, text) in sorted(rows.items())]
    internal = f"| `{TenonError.reason}` | 500 | {TenonError.message()} |"
    return HEAD + "\n".join([*lines, internal]) + "\n"


def _kinds(parent: type[TenonError]) -> Iterator[type[TenonError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _status(error: type[TenonError]) -> int:
    named_fields = error.code is Code.INVALID_ARGUMENT
    return http_status(error.code, error.reason, fields=named_fields)
