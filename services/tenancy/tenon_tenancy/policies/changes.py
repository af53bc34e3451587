"""What is asked of the policies, read and checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tenon_core.email_addresses import parse_domain
from tenon_core.errors import FieldError, InvalidArgument
from tenon_tenancy.policies.networks import normal_network

MAX_ITEMS = 50
MAX_ITEM_CHARS = 255
BOUNDS = {"session_hours": range(1, 721), "audit_retention_days": range(30, 36_501)}
"""Of what is not 0."""

NORMAL: Mapping[str, Callable[[str], str]] = {
    "allowed_networks": normal_network,
    "allowed_mail_domains": parse_domain,
}
CHANGEABLE = frozenset({"mfa_required", *BOUNDS, *NORMAL})


def valid_changes(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes as they are stored; InvalidArgument."""
    if unknown := sorted(changes.keys() - CHANGEABLE):
        message = f"{unknown[0]} cannot be changed"
        raise InvalidArgument(fields=[FieldError("/update_mask", message)])
    if problems := [problem for field in changes for problem in _problems(field, changes[field])]:
        raise InvalidArgument(fields=problems)
    return {field: _normal(field, value) for field, value in changes.items()}


def _normal(field: str, value: Any) -> Any:
    return list(dict.fromkeys(map(NORMAL[field], value))) if field in NORMAL else value


def _problems(field: str, value: Any) -> Iterator[FieldError]:
    if field in NORMAL:
        yield from _problems_of_items(field, value)
    elif field in BOUNDS and value and value not in BOUNDS[field]:
        bounds = BOUNDS[field]
        yield FieldError(f"/{field}", f"must be 0, or {bounds.start} to {bounds.stop - 1}")


def _problems_of_items(field: str, items: Sequence[str]) -> Iterator[FieldError]:
    if len(items) > MAX_ITEMS:
        yield FieldError(f"/{field}", f"must be at most {MAX_ITEMS}")
        return
    for number, item in enumerate(items):
        if problem := _problem_of_item(field, item):
            yield FieldError(f"/{field}/{number}", problem)


def _problem_of_item(field: str, item: str) -> str:
    if len(item) > MAX_ITEM_CHARS:  # to say more of it would take long
        return f"must be at most {MAX_ITEM_CHARS} characters"
    try:
        NORMAL[field](item)
    except ValueError as error:
        return str(error)
    return ""
