"""E-mail addresses: which are valid, and when two are the same."""

from contextlib import suppress

from email_validator import EmailNotValidError, validate_email

from tenon_auth.errors import InvalidEmail
from tenon_core.errors import FieldError

MAX_CHARS = 320


def valid_address(email: str) -> str:
    """Return the address as mail is sent to it; InvalidEmail says what is wrong with it."""
    if len(email) > MAX_CHARS:  # to say more of it would take long
        message = f"must have at most {MAX_CHARS} characters"
        raise InvalidEmail(fields=[FieldError("/email", message)])
    try:
        return validate_email(email.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidEmail(fields=[FieldError("/email", str(error))]) from None


def comparable(email: str) -> bytes:
    """Return what is the same for every way to write an address, to be indexed."""
    with suppress(InvalidEmail):  # nobody has such a one, and finding that out takes as long
        email = valid_address(email)
    return email.casefold().encode("utf-8", "surrogatepass")
