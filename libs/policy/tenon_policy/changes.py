"""What an update changed, as the audit log has it: values before and after, by field."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum, IntEnum
from uuid import UUID


def changes_between(
    before: Mapping[str, object], after: Mapping[str, object], sensitive: Collection[str]
) -> str:
    """Return the fields of `after` with another value than in `before`, as a JSON array of objects
    with `field`, `before` and `after`; empty if there is none. A sensitive field has no values.
    """
    changed = [field for field in sorted(after) if before.get(field) != after[field]]
    said = [
        {"field": field}
        if field in sensitive
        else {"field": field, "before": _word(before.get(field)), "after": _word(after[field])}
        for field in changed
    ]
    return json.dumps(said, ensure_ascii=False, default=_plain) if said else ""


def _word(value: object) -> object:
    """Return an enum's number as the API writes it."""
    return value.name.lower() if isinstance(value, IntEnum) else value


def _plain(value: object) -> object:
    """Return what JSON can hold of a value of ours."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    match value:
        case Enum():
            return value.value
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case frozenset() | set():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in an audit record")
