"""Codes that people write down: 50 random bits in letters and digits that look like no other."""

import secrets

from tenon_auth.second_factors.typed_codes import typed_code

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32."""
GROUPS = 2
GROUP_CHARS = 5
MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1"})


def new_code() -> str:
    """Return such as `7k2p9-x0hfm`."""
    return "-".join(
        "".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS)
    )


def comparable(code: str) -> bytes:
    """Return what is the same however a code is typed."""
    return typed_code(code).lower().translate(MISREAD).encode("utf-8", "surrogatepass")
