"""What goes wrong with encrypted values."""

from tenon_core.errors import TenonError


class Undecryptable(TenonError):
    """A stored value does not decrypt: it was moved, changed or cut, or its key is gone."""

    reason = "undecryptable"
