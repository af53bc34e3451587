"""Domains of addresses: which are valid, and their one form, in ASCII and lower case."""


def normal_domain(text: str) -> str:
    """Return the domain as it is stored; ValueError says what is wrong with it."""
    from email_validator import validate_email  # large, and rarely needed

    return validate_email(f"x@{text.strip()}", check_deliverability=False).ascii_domain.lower()


def domain_of(email: str) -> str:
    """Return an address's domain as it is stored; empty for what is no address."""
    from email_validator import EmailNotValidError, validate_email  # as above

    try:
        return validate_email(email, check_deliverability=False).ascii_domain.lower()
    except EmailNotValidError:
        return ""
