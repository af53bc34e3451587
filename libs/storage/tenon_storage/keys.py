"""Names of stored objects: `orgs/<id>/runs/<id>/file.csv`."""

import re

# Parts begin with a letter or a digit, so `..`, `.part`, an absolute path and `//` are no keys.
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
LONGEST = 512


def checked(key: str) -> str:
    """Return the key; ValueError if it could name anything outside of the storage."""
    if len(key) > LONGEST or not KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key
