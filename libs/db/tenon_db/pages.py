"""Keyset pages: a token holds the sort key of the last row that was shown."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import orjson

from tenon_core.errors import FieldError, InvalidArgument

DEFAULT_SIZE = 50
MAX_SIZE = 100


def clamp(page_size: int) -> int:
    """Return how many rows to show: 50 unless said, 100 at most."""
    if page_size < 0:
        raise InvalidArgument(fields=[FieldError("/page_size", "must not be negative")])
    return min(page_size or DEFAULT_SIZE, MAX_SIZE)


def encode_token(values: Sequence[Any]) -> str:
    """Pack the last row's sort key (text, numbers, UUIDs, aware times)."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).rstrip(b"=").decode()


def decode_token(token: str, size: int) -> list[Any]:
    """Unpack a sort key of `size` values; InvalidArgument for anything that we did not make."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or len(values) != size:
        raise InvalidArgument(fields=[FieldError("/page_token", "is not one that was handed out")])
    return values
