"""What people may be called, and what they may call their things."""

from tenon_core.errors import FieldError, InvalidArgument

MAX_CHARS = 100
PROBLEM = f"must be 1 to {MAX_CHARS} printable characters"


def is_name(name: str) -> bool:
    return 1 <= len(name) <= MAX_CHARS and name.isprintable()


def valid_name(name: str) -> str:
    """Return the name without the spaces around it; InvalidArgument."""
    name = name.strip()
    if not is_name(name):
        raise InvalidArgument(fields=[FieldError("/name", PROBLEM)])
    return name
