"""The form in which passwords are hashed and judged."""

import unicodedata

MAX_CHARS = 1_024


def normal_form(password: str) -> str:
    """Return a password in NFKC, as NIST SP 800-63B-4 (3.1.1.2) asks: keyboards and systems write
    the same letters in different code points.

    Longer text than a password may have stays as it is: normalizing takes quadratic time at worst.
    """
    if len(password) > MAX_CHARS:
        return password
    return unicodedata.normalize("NFKC", password)
