"""Pages of lists, as every slice cuts them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from tenon_core.errors import FieldError, InvalidArgument
from tenon_db.pages import decode_token, encode_token

T = TypeVar("T")

TimeAndId: TypeAlias = tuple[datetime, UUID]

MAX_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_page_token: str


def cut(rows: Sequence[T], size: int, sort_key: Callable[[T], Sequence[Any]]) -> Page[T]:
    """Make a page of `size` from one row more, which only says that there is a next page."""
    shown = rows[:size]
    return Page(shown, encode_token(sort_key(shown[-1])) if len(rows) > size else "")


def read_time_and_id(token: str) -> TimeAndId | None:
    """Read the sort key of a list by time and id; None for the first page."""
    if not token:
        return None
    time, row_id = decode_token(token, 2)
    try:
        return datetime.fromisoformat(time), UUID(row_id)
    except (TypeError, ValueError, AttributeError):
        raise _not_ours() from None


def read_position(token: str) -> int | None:
    """Read the sort key of a list by position; None for the first page."""
    if not token:
        return None
    (position,) = decode_token(token, 1)
    if type(position) is not int or not 0 <= position <= MAX_POSITION:
        raise _not_ours()
    return position


def _not_ours() -> InvalidArgument:
    return InvalidArgument(fields=[FieldError("/page_token", "is not one that was handed out")])
