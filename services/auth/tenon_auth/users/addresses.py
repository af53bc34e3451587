"""E-mail addresses: which are valid, and when two are the same."""

import hashlib

from email_validator import EmailNotValidError, validate_email

from tenon_auth.errors import InvalidEmail
from tenon_core.errors import FieldError


def valid_address(email: str) -> str:
    """Return the address as mail is sent to it; InvalidEmail says what is wrong with it."""
    try:
        return validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidEmail(fields=[FieldError("/email", str(error))]) from None


def address_hash(email: str) -> bytes:
    """Return the key by which an account is found; upper and lower case are the same."""
    return hashlib.sha256(email.strip().casefold().encode()).digest()
