"""Email addresses: which text is one, when two are the same, and where mail is sent.

Two addresses are the same if their local parts are equal in Unicode normalization form C and lower
case, and their domains are equal as A-labels by UTS 46, non-transitional. There is no compatibility
folding: `ß` and `ss`, or `ﬁ` and `fi`, are different mailboxes. `docs/decisions/0039` says why.
"""

import unicodedata
from dataclasses import dataclass

from tenon_core.errors import FieldError, InvalidArgument

CANONICAL_VERSION = 2
"""Stored beside keyed hashes of the canonical form, so that the rotation of index keys finds those
of version 1: addresses case folded as a whole, so that `straße.example` was `strasse.example`.
"""
MAX_OCTETS = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets includes the angle brackets."""
MAX_LOCAL_OCTETS = 64
"""RFC 5321, 4.5.3.1.1, counted in UTF-8 (RFC 6531)."""
MAX_DOMAIN_CHARS = 253


class InvalidEmail(InvalidArgument):
    """This is not an address that mail can be sent to."""

    reason = "invalid_email"


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A valid address. `local` is in NFC, in the case that it was written in."""

    local: str
    domain: str
    """In Unicode and lower case."""
    ascii_domain: str

    @property
    def display(self) -> str:
        """The address as people read it, and as it is stored."""
        return f"{self.local}@{self.domain}"

    @property
    def delivery(self) -> str:
        """The address for SMTP: only the local part may need SMTPUTF8."""
        return f"{self.local}@{self.ascii_domain}"

    @property
    def canonical(self) -> bytes:
        """Bytes that are equal for two addresses exactly if they are the same address."""
        local = unicodedata.normalize("NFC", self.local.lower())
        return f"{local}@{self.ascii_domain}".encode()


def parse_address(text: str, field: str = "email") -> EmailAddress:
    """Parse an address; InvalidEmail says what is wrong with this field of the request."""
    try:
        return _parse(text)
    except ValueError as error:
        raise _invalid(field, str(error)) from None


def parse_new_address(text: str, field: str = "email", *, smtputf8: bool = True) -> EmailAddress:
    """Parse an address that is going to be stored, and mailed to by a server with this extension.

    Unlike `parse_address` it bounds the local part: accounts from before that bound keep working.
    """
    address = parse_address(text, field)
    if len(address.local.encode()) > MAX_LOCAL_OCTETS:
        raise _invalid(field, f"must have at most {MAX_LOCAL_OCTETS} bytes before the @-sign")
    if not (smtputf8 or address.local.isascii()):
        message = "must have only ASCII letters before the @-sign: our mail server takes no others"
        raise _invalid(field, message)
    return address


def canonical_form(text: str) -> bytes:
    """Return the canonical form to look an address up by; text that is no address finds nothing."""
    try:
        return _parse(text).canonical
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


def delivery_form(text: str) -> str:
    """Return an address for SMTP, and text that is no address as it is."""
    try:
        return _parse(text).delivery
    except ValueError:
        return text


def parse_domain(text: str) -> str:
    """Return the one form of an address's domain, in ASCII and lower case; ValueError."""
    if len(text) > MAX_DOMAIN_CHARS:
        raise ValueError(f"must have at most {MAX_DOMAIN_CHARS} characters")
    return _parse(f"x@{text.strip()}").ascii_domain


def domain_of(text: str) -> str:
    """Return the domain of an address in that form; empty if it is no address."""
    try:
        return _parse(text).ascii_domain
    except ValueError:
        return ""


def _parse(text: str) -> EmailAddress:
    from email_validator import validate_email  # its tables are large, and few processes need it

    text = text.strip()
    if len(text) > MAX_OCTETS:  # checked first: the library's time grows with the text
        raise ValueError(f"must have at most {MAX_OCTETS} characters")
    valid = validate_email(text, check_deliverability=False)
    return EmailAddress(valid.local_part, valid.domain, valid.ascii_domain)


def _invalid(field: str, message: str) -> InvalidEmail:
    return InvalidEmail(fields=[FieldError(f"/{field}", message)])
