"""The keys above the data keys, which no database holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class KeyKind(StrEnum):
    """What a key of the keyring does: wrap data keys, or make blind indexes."""

    KEK = "kek"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key that can be read; `current` if it is used for writing."""

    name: str
    create_time: datetime
    current: bool


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


class KeyringReadOnly(Exception):
    """This process may use the keyring's keys, and not add or retire one. The message says why."""


class Keyring(Protocol):
    """Named keys: several can be read, one of each kind is used for writing.

    A keyring may be on another machine: what it raises then is Unavailable.
    """

    settle_seconds: float
    """How long a new key is only read before it is written with."""

    async def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Wrap a data key under the current key-encryption key."""

    async def unwrap(self, keys: Sequence[WrappedKey]) -> Sequence[bytes | None]:
        """Return the data keys in their order, None for each that does not unwrap."""

    async def rewrap(self, keys: Sequence[WrappedKey]) -> Sequence[WrappedKey | None]:
        """Wrap them under the current key instead; None for each that does not unwrap."""

    async def macs(self, message: bytes) -> Sequence[Mac]:
        """Return the message's MACs under every readable index key, the current one's first."""

    async def keys(self, kind: KeyKind) -> Sequence[KeyInfo]:
        """Return the readable keys from oldest to newest; one of them is current."""

    async def add(self, kind: KeyKind) -> str:
        """Add a newest key, and return its name; KeyringReadOnly."""

    async def retire(self, kind: KeyKind, name: str) -> None:
        """Let nobody read by a key any more; who operates the keyring can undo it.

        KeyringReadOnly. It is no error if the key is gone.
        """


def current_name(keys: Sequence[KeyInfo]) -> str:
    return next(key.name for key in keys if key.current)


def older_names(keys: Sequence[KeyInfo]) -> list[str]:
    """Name the keys before the current one."""
    return [key.name for key in keys[: [key.current for key in keys].index(True)]]
