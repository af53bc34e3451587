"""Where a browser may be led after a log-in: to paths of this site alone."""

import string

from tenon_auth.errors import InvalidReturnTo
from tenon_core.errors import FieldError

HOME = "/"
MAX_CHARS = 500
# Browsers take `\` for `/`, and skip tabs and line ends: `/\evil.example` is another site to them.
PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation) - {"\\"}


def valid_return_to(path: str) -> str:
    """Return a path of this site, with query and fragment; InvalidReturnTo."""
    if not path:
        return HOME
    is_path = path.startswith("/") and not path.startswith("//")
    if not is_path or len(path) > MAX_CHARS or not PRINTABLE.issuperset(path):
        message = f"must be a path of this site, of at most {MAX_CHARS} ASCII characters"
        raise InvalidReturnTo(fields=[FieldError("/return_to", message)])
    return path
