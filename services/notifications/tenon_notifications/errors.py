"""Everything that can go wrong in notifications."""


class MailError(Exception):
    """A mail was not handed over. The message holds nothing personal: it is stored and logged."""


class Undeliverable(MailError):
    """This mail can never be delivered."""


class AddressUnsupported(Undeliverable):
    """The SMTP server takes no address outside ASCII."""


class MailDelayed(MailError):
    """The mail may be delivered later."""
