"""Cells of a column, checked and turned into the text that COPY reads.

Whole columns at a time: the usual column needs no look at single cells, and one that holds
anything unusual is gone through cell by cell.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

C = TypeVar("C")

MAX_CELL_CHARS = 65_536
MAX_ID_CHARS = 200
FIRST_YEAR, LAST_YEAR = 1900, 2199
LARGEST = 1e300  # so that no sum or percentile of numbers leaves double precision
SHOWN_CHARS = 40

# Stands for null in COPY's text; a text that contains it is escaped, so they are never mistaken.
NULL = "\x01"
NO_NULLS: Mapping[str | None, str] = {None: NULL}

# What COPY's text format would not read as it stands, and NUL, which PostgreSQL does not take.
SPECIAL = ("\\", "\t", "\n", "\r", NULL, "\0")
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", NULL: r"\001"})

TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
KNOWN_TIMES = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """One text for each row, and by row why its cell is refused: its text is then of no use."""

    texts: Sequence[str]
    failures: Mapping[int, str]


def texts(cells: Sequence[str | None], nulls: Mapping[str | None, str] = NO_NULLS) -> Column:
    """Check texts; `nulls` maps what stands for null to NULL."""
    present = list(filter(None, cells))
    joined = "".join(present)
    if any(mark in joined for mark in SPECIAL) or len(max(present, key=len, default="")) > (
        MAX_CELL_CHARS
    ):
        return _each(cells, lambda cell: nulls.get(cell) or _escaped(cell or ""))
    return Column([nulls.get(cell) or cell or "" for cell in cells], {})


def ids(cells: Sequence[str]) -> Column:
    """Check ids: 1 to 200 characters."""
    joined = "".join(cells)
    if (
        any(mark in joined for mark in SPECIAL)
        or not all(cells)
        or len(max(cells, key=len, default="")) > MAX_ID_CHARS
    ):
        return _each(cells, _id)
    return Column(cells, {})


def numbers(cells: Sequence[str], nulls: Mapping[str | None, str]) -> Column:
    """Check numbers given as text; they must be finite, and up to LARGEST."""
    joined = "".join(cells)
    if joined.isascii() and "_" not in joined and NULL not in joined:
        try:
            found = [nulls.get(cell) or repr(float(cell)) for cell in cells]
        except ValueError:
            pass
        else:
            written = "".join(found)
            if "n" not in written and "e+3" not in written:  # as in inf, nan and 1e+300
                return Column(found, {})
    return _each(cells, lambda cell: nulls.get(cell) or _number(cell))


def floats(values: Sequence[float | None]) -> Column:
    """Check numbers; they must be finite, and up to LARGEST."""
    return _each(values, lambda value: NULL if value is None else _finite(value))


class Times:
    """Reads times; one without an offset is in `zone`. Remembers them, since they repeat."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known: dict[str, str] = {}

    def column(self, cells: Sequence[str]) -> Column:
        """Check times, and turn them into UTC."""
        known = self._known
        for cell in set(cells).difference(known):
            if len(known) >= KNOWN_TIMES:
                known.clear()
            try:
                known[cell] = self._read(cell)
            except ValueError:
                continue
        if all(map(known.__contains__, cells)):
            return Column([known[cell] for cell in cells], {})
        return _each(cells, lambda cell: known.get(cell) or self._read(cell))

    def _read(self, cell: str) -> str:
        moment = _moment(cell)
        if moment.tzinfo is None:
            moment = self._placed(moment)
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            moment = datetime.min.replace(tzinfo=UTC)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError(f"{_shown(cell)} is not in the years {FIRST_YEAR} to {LAST_YEAR}")
        return moment.isoformat()

    def _placed(self, naive: datetime) -> datetime:
        """Put a local time into the zone: the first of two, and none that the clocks skipped."""
        moment = naive.replace(tzinfo=self._zone)
        try:
            shown = moment.astimezone(UTC).astimezone(self._zone)
        except OverflowError:
            return moment
        if shown.replace(tzinfo=None) != naive:
            raise ValueError(f"{naive} does not exist in {self._zone.key}: the clocks skip it")
        return moment


def _moment(cell: str) -> datetime:
    if not cell.strip():
        raise ValueError("is missing")
    if not TIME.fullmatch(cell.strip()):
        raise ValueError(f"{_shown(cell)} is not a time such as 2013-01-31T10:00:00Z")
    try:
        return datetime.fromisoformat(cell.strip().upper())
    except ValueError as error:
        raise ValueError(f"{_shown(cell)} is not a time: {error}") from error


def _each(cells: Iterable[C], convert: Callable[[C], str]) -> Column:
    found: list[str] = []
    failures: dict[int, str] = {}
    for place, cell in enumerate(cells):
        try:
            found.append(convert(cell))
        except ValueError as error:
            failures[place] = str(error)
            found.append(NULL)
    return Column(found, failures)


def _escaped(cell: str, longest: int = MAX_CELL_CHARS) -> str:
    if len(cell) > longest:
        raise ValueError(f"is longer than {longest:,} characters")
    if "\0" in cell:
        raise ValueError("contains a NUL character")
    return cell.translate(ESCAPES)


def _id(cell: str) -> str:
    if not cell:
        raise ValueError("is missing")
    return _escaped(cell, MAX_ID_CHARS)


def _number(cell: str) -> str:
    try:
        if "_" in cell or not cell.isascii():  # float() would take both
            raise ValueError  # noqa: TRY301 # told like any other text
        value = float(cell)
    except ValueError as error:
        raise ValueError(f"{_shown(cell)} is not a number") from error
    return _finite(value)


def _finite(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if abs(value) > LARGEST:
        raise ValueError("must be a number between -1e300 and 1e300")
    return repr(value)


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN_CHARS else cell[:SHOWN_CHARS] + "…")
