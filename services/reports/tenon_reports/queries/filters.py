"""Filters of a question, checked."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from tenon_reports.queries.models import Field, Filter, FilterAsked, FilterOp, Kind, Scalar

MAX_FILTERS = 50
MAX_VALUES = 1_000
MAX_TEXT_CHARS = 65_536
MAX_CONTAINS_CHARS = 256
"""The worst case of PostgreSQL's substring search takes time in proportion to this."""
SHOWN_CHARS = 63

LISTS = frozenset({FilterOp.IN, FilterOp.NOT_IN})
OPS = {op.value: op for op in FilterOp}


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that the dataset has no such column or dimension, and which it has."""
    names = ", ".join(known) or "none"
    return f"{name[:SHOWN_CHARS]!r} is not a {kind} of the dataset; there are: {names}"


class FilterCheck:
    """Tells `wrong` a pointer and a message for everything that is wrong."""

    def __init__(self, fields: Mapping[str, Field], wrong: Callable[[str, str], None]) -> None:
        self._fields = fields
        self._wrong = wrong

    def checked(self, asked: Sequence[FilterAsked]) -> tuple[Filter, ...]:
        if len(asked) > MAX_FILTERS:
            self._wrong("/filters", f"must be at most {MAX_FILTERS}")
        found = [
            self._filter(f"/filters/{place}", each)
            for place, each in enumerate(asked[:MAX_FILTERS])
        ]
        return tuple(each for each in found if each)

    def _filter(self, at: str, asked: FilterAsked) -> Filter | None:
        field, op = self._fields.get(asked.field), OPS.get(asked.op)
        if field is None:
            self._wrong(f"{at}/field", unknown("column", asked.field, self._fields))
        if op is None:
            self._wrong(f"{at}/op", f"must be one of {', '.join(OPS)}")
        if field is None or op is None:
            return None
        if op is FilterOp.CONTAINS and field.kind is Kind.MEASURE:
            self._wrong(f"{at}/op", "needs a dimension")
            return None
        if op is FilterOp.CONTAINS and len(str(asked.value)) > MAX_CONTAINS_CHARS:
            self._wrong(f"{at}/value", f"must be at most {MAX_CONTAINS_CHARS} characters")
            return None
        return Filter(field, op, self._values(f"{at}/value", field, op, asked.value))

    def _values(
        self, at: str, field: Field, op: FilterOp, value: Scalar | Sequence[Scalar]
    ) -> tuple[str | float | bool, ...]:
        if op is FilterOp.IS_NULL:
            if not isinstance(value, bool):
                self._wrong(at, "must be true or false")
            return (bool(value),)
        if op not in LISTS:
            return tuple(self._value(at, field, value))
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_VALUES:
            self._wrong(at, f"must be a list of 1 to {MAX_VALUES} values")
            return ()
        return tuple(
            found
            for place, each in enumerate(value)
            for found in self._value(f"{at}/{place}", field, each)
        )

    def _value(
        self, at: str, field: Field, value: Scalar | Sequence[Scalar]
    ) -> list[str | float | bool]:
        if field.kind is Kind.DIMENSION:
            if isinstance(value, str) and len(value) <= MAX_TEXT_CHARS and "\0" not in value:
                return [value]
            self._wrong(at, "must be a text; nulls are found by is_null")
        else:
            if isinstance(value, float) and math.isfinite(value):
                return [value]
            self._wrong(at, "must be a number; nulls are found by is_null")
        return []
