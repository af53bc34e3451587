"""Enum values as the short lower-case words that JSON shows."""

import re
from functools import cache

from google.protobuf.descriptor import EnumDescriptor

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def enum_words(enum: EnumDescriptor) -> dict[int, str]:
    """Return the words by number, without the unspecified zero: {1: "viewer", 2: "member"}."""
    prefix = _WORD_START.sub("_", enum.name).upper() + "_"
    return {
        value.number: _word(value.name, prefix, enum)
        for value in enum.values
        if value.name != f"{prefix}UNSPECIFIED"
    }


def _word(name: str, prefix: str, enum: EnumDescriptor) -> str:
    if not name.startswith(prefix):
        raise ValueError(f"{enum.full_name}: {name} should begin with {prefix}")
    return name.removeprefix(prefix).lower()
