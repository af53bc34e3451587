"""What is wrong with a request, collected on the way out of its nested values."""

from collections.abc import Callable, Iterable
from typing import Any

from tenon_core.errors import FieldError

Convert = Callable[[Any], Any]

# A body of junk should not be answered by a reply that is larger still.
MAX_FAULTS = 100
MORE = "has more errors, which are not listed; correct these first"
NUL = "must not contain NUL characters"


class Mismatch(Exception):
    """A value does not fit its field; the pointers of `faults` start at that value."""

    def __init__(self, faults: Iterable[FieldError]) -> None:
        super().__init__()
        found = list(faults)
        self.faults = found[:MAX_FAULTS]
        if len(found) > MAX_FAULTS:
            self.faults[-1] = FieldError("", MORE)

    @classmethod
    def of(cls, message: str, code: str = "") -> "Mismatch":
        return cls([FieldError("", message, code)])

    def under(self, key: str | int) -> list[FieldError]:
        """Return the faults as seen from the object or list that holds the value."""
        step = pointer(key)
        return [
            FieldError(step + fault.pointer, fault.message, fault.code) for fault in self.faults
        ]


def pointer(*keys: str | int) -> str:
    """Return the RFC 6901 pointer that takes these steps."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def refusal(message: str) -> Convert:
    """Return a converter that takes no value at all."""

    def refuse(_: Any) -> Any:
        raise Mismatch.of(message)

    return refuse
