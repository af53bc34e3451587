"""Why nothing was sent, or nobody answered. The messages are for whoever chose the address: they
tell nothing about a network that is not theirs.
"""


class OutboundError(Exception):
    """A request was not answered."""


class UrlRefused(OutboundError):
    """A URL that nothing is sent to, whatever its host resolves to."""


class AddressForbidden(OutboundError):
    """The host is in a network that nothing is sent to."""

    def __init__(self) -> None:
        super().__init__("its host is not on the public internet")


class NotAnswered(OutboundError):
    """The host did not answer, or not in time, or not in HTTP."""
