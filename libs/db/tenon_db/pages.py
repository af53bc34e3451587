"""Keyset pages: a token holds the sort key of the last row that was shown. Which list it belongs to
is checked before it gets here (`tenon_rpc.paging`).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import orjson

from tenon_core.errors import FieldError, InvalidArgument, InvalidPageToken
from tenon_core.ids import parse_id

T = TypeVar("T")

TimeAndId: TypeAlias = tuple[datetime, UUID]

DEFAULT_SIZE = 50
MAX_SIZE = 100
MAX_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_page_token: str


def clamp(page_size: int) -> int:
    """Return how many rows to show: 50 unless said, 100 at most."""
    if page_size < 0:
        raise InvalidArgument(fields=[FieldError("/page_size", "must not be negative")])
    return min(page_size or DEFAULT_SIZE, MAX_SIZE)


def cut(rows: Sequence[T], size: int, sort_key: Callable[[T], Sequence[Any]]) -> Page[T]:
    """Make a page of `size` from one row more, which only says that there is a next page."""
    shown = rows[:size]
    return Page(shown, encode_token(sort_key(shown[-1])) if len(rows) > size else "")


def encode_token(values: Sequence[Any]) -> str:
    """Pack the last row's sort key (text, numbers, UUIDs, aware times)."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).rstrip(b"=").decode()


def read_id(token: str) -> UUID | None:
    """Read the sort key of a list by id; None for the first page."""
    if not token:
        return None
    (value,) = _decoded(token, 1)
    found = parse_id(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidPageToken.of_another_list()
    return found


def read_time_and_id(token: str) -> TimeAndId | None:
    """Read the sort key of a list by time and id; None for the first page."""
    if not token:
        return None
    time, row_id = _decoded(token, 2)
    try:
        return datetime.fromisoformat(time), UUID(row_id)
    except (TypeError, ValueError, AttributeError):
        raise InvalidPageToken.of_another_list() from None


def read_position(token: str) -> int | None:
    """Read the sort key of a list by position; None for the first page."""
    if not token:
        return None
    (position,) = _decoded(token, 1)
    if type(position) is not int or not 0 <= position <= MAX_POSITION:
        raise InvalidPageToken.of_another_list()
    return position


def _decoded(token: str, size: int) -> list[Any]:
    """Unpack a sort key of `size` values; InvalidPageToken for anything else."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or len(values) != size:
        raise InvalidPageToken.of_another_list()
    return values
