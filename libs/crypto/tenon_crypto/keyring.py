"""The keys above the data keys, which no database holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key under the key-encryption key of this name; bound to a context."""

    kek: str
    ciphertext: bytes
    context: bytes


@dataclass(frozen=True, slots=True)
class Mac:
    """An HMAC-SHA256 under the index key of this name."""

    key: str
    digest: bytes


class Keyring(Protocol):
    """Named keys: several can be read, the newest of each kind is used for writing.

    A keyring may be on another machine: what it raises then is Unavailable.
    """

    async def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Wrap a data key under the current key-encryption key."""

    async def unwrap(self, keys: Sequence[WrappedKey]) -> Sequence[bytes | None]:
        """Return the data keys in their order, None for each that does not unwrap."""

    async def macs(self, message: bytes) -> Sequence[Mac]:
        """Return the message's MACs under every readable index key, the current one's first."""
