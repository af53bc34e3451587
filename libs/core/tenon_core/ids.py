"""Identifiers: UUID version 7, so that new rows sort after old ones."""

import os
import time
from datetime import datetime
from uuid import UUID


def uuid7() -> UUID:
    """Return a new id that sorts after those this process made before.

    48 bits of milliseconds, 12 bits of their fraction, 62 random bits (RFC 9562, section 5.7 with
    method 3 of 6.2): a step is 244 ns, less than a call takes.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0x2 << 62) | random)


def first_id(at: datetime) -> UUID:
    """Return an id that no id made before this time is after."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (0x7 << 76) | (0x2 << 62))


def parse_id(text: str) -> UUID | None:
    """Read an id as the API writes it; None for any other form, so unknown to everybody."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
