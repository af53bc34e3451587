"""Everything that can go wrong in notifications."""


class MailError(Exception):
    """A mail was not handed over. The message holds nothing personal: it is stored and logged."""


class Undeliverable(MailError):
    """This mail can never be delivered."""


class MailDelayed(MailError):
    """The mail may be delivered later."""
