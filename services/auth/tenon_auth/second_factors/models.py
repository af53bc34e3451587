from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeAlias

from tenon_auth.sessions.models import AuthMethod


class Kind(IntEnum):
    """What can be a second factor; the numbers are those of `SecondFactorKind`."""

    TOTP = 1
    PASSKEY = 2
    RECOVERY_CODE = 3

    @property
    def method(self) -> AuthMethod:
        return METHODS[self]


METHODS = {
    Kind.TOTP: AuthMethod.TOTP,
    Kind.PASSKEY: AuthMethod.PASSKEY,
    Kind.RECOVERY_CODE: AuthMethod.RECOVERY_CODE,
}
HELD = frozenset(METHODS.values())
"""What proves that somebody holds a thing: an app, a key, a list of codes."""


def may_follow(first: Sequence[str], second: Kind) -> bool:
    """Say whether a second factor is another one than those of the first step.

    All of ours are things that somebody holds, so none of them follows any of them: not the same
    passkey again, and not the app on the telephone that is the passkey.
    """
    return not (second.method in HELD and HELD & set(first))


@dataclass(frozen=True, slots=True)
class Code:
    """Digits of an authenticator app."""

    text: str


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    text: str


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What a browser says a passkey has answered, as WebAuthn writes it in JSON."""

    credential: Mapping[str, Any]


Proof: TypeAlias = Code | RecoveryCode | PasskeyAnswer


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor as its owner sees it."""

    kind: Kind
    create_time: datetime
    use_time: datetime | None
    id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Factors:
    items: Sequence[Factor]
    recovery_codes_left: int
