"""E-mail addresses, read and compared as auth does."""

from tenon_core.errors import FieldError
from tenon_tenancy.errors import InvalidEmail

MAX_CHARS = 320


def valid_address(email: str) -> str:
    """Return the address as mail is sent to it; InvalidEmail says what is wrong with it."""
    from email_validator import EmailNotValidError, validate_email  # only who invites needs it

    if len(email) > MAX_CHARS:  # to say more of it would take long
        message = f"must have at most {MAX_CHARS} characters"
        raise InvalidEmail(fields=[FieldError("/email", message)])
    try:
        return validate_email(email.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidEmail(fields=[FieldError("/email", str(error))]) from None


def comparable(email: str) -> bytes:
    """Return what is the same for every way to write an address, to be indexed.

    Of an address that is valid, as it was returned above.
    """
    return email.casefold().encode()
