"""What people type for a code of digits and letters that they read elsewhere."""

import unicodedata

MAX_CHARS = 64
"""What is longer is no code."""
SEPARATORS = {"Zs", "Pd", "Cc", "Cf"}
"""Unicode's categories of spaces, dashes, controls and invisible characters."""
MINUS_SIGN = "\u2212"


def typed_code(text: str) -> str:
    """Return a code without spaces and dashes of any kind, and its digits in ASCII."""
    if len(text) > MAX_CHARS:
        return ""
    kept = (
        letter
        for letter in unicodedata.normalize("NFKC", text)
        if unicodedata.category(letter) not in SEPARATORS and letter != MINUS_SIGN
    )
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in kept)
