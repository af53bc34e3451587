"""The canonical form of addresses of `CANONICAL_VERSION` 1, to find and re-hash accounts by."""

from contextlib import suppress

from tenon_core.email_addresses import InvalidEmail, parse_address


def former_canonical_form(email: str) -> bytes:
    """Return the address case folded as a whole, which made different addresses the same."""
    with suppress(InvalidEmail):
        email = parse_address(email).display
    return email.casefold().encode("utf-8", "surrogatepass")
