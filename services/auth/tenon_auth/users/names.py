"""What people may be called."""

from tenon_core.errors import FieldError, InvalidArgument

MAX_CHARS = 100


def valid_name(name: str) -> str:
    """Return the name without the spaces around it; InvalidArgument."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_CHARS or not name.isprintable():
        message = f"must be 1 to {MAX_CHARS} printable characters"
        raise InvalidArgument(fields=[FieldError("/name", message)])
    return name
