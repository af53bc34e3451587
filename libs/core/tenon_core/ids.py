"""Identifiers: UUID version 7, so that new rows sort after old ones."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a new id: 48 bits of milliseconds, 74 random bits (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def parse_id(text: str) -> UUID | None:
    """Read an id as it is written in the API; None if it is malformed, so unknown to everybody."""
    if len(text) != 36:  # noqa: PLR2004 # the only form that we write
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
