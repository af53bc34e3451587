"""Pages in the order of ids: a token holds the last id that was shown."""

from uuid import UUID

from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import parse_id
from tenon_db.pages import decode_token


def last_shown(token: str) -> UUID | None:
    """Return the id behind which the page begins, None for the first; InvalidArgument."""
    if not token:
        return None
    (value,) = decode_token(token, 1)
    found = parse_id(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidArgument(fields=[FieldError("/page_token", "is not one that was handed out")])
    return found
