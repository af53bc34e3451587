import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_auth.users.models import METADATA, User
from tenon_crypto.fields import SealedTable
from tenon_db.tables import USER

sessions = Table(
    "sessions",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("family_key", LargeBinary, nullable=False),
    Column("user_agent", LargeBinary),
    Column("ip_address", LargeBinary),
    Column("generation", Integer, nullable=False),
    Column("rotate_time", DateTime(timezone=True), nullable=False),
    Column("token_used", Boolean, nullable=False),
    Column("recovery_count", Integer, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("auth_time", DateTime(timezone=True), nullable=False),
    Column("methods", ARRAY(Text), nullable=False),
    Column("end_time", DateTime(timezone=True)),
    info=USER,
)
SEALED_SESSIONS = SealedTable(
    sessions, owner="user_id", text=("user_agent", "ip_address"), binary=("family_key",)
)


class AuthMethod(StrEnum):
    """How somebody proved who they are, by the names of RFC 8176 where it has one."""

    FEDERATED = "fed"

    LINK = "link"
    MULTI = "mfa"
    PASSKEY = "pop"
    PASSWORD = "pwd"  # noqa: S105 # a name of the standard, no secret
    RECOVERY_CODE = "recovery_code"
    TOTP = "otp"


GRACE_SECONDS = 10.0
"""How long after a rotation the token before it gets the current one again."""
ROTATION_SECONDS = 2 * GRACE_SECONDS
"""How old a token is before it rotates. A reply that was made within the grace has arrived by then,
so no late reply puts a cookie back by two generations."""
MAX_RECOVERIES = 10
"""Lost replies of one session. Each may also be a thief's who takes turns with the owner."""


class Presented(Enum):
    """What a refresh token is to its session, and so what is done about it."""

    FRESH = "fresh"
    """The current token, which is too young to rotate: it stays."""
    DUE = "due"
    """The current token: it rotates."""
    PREDECESSOR = "predecessor"
    """The one before it, from a tab that refreshed at the same time: it gets the current one."""
    UNDELIVERED = "undelivered"
    """The one before it, long after, while the current one was never used: the reply was lost."""
    STALE = "stale"
    """A replay: the session ends."""


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in on one device. Family key and generation make its refresh token.

    It rotates whenever it is used longer than an access token lives, so `rotate_time` says when it
    was last seen, too. `auth_time` is when its holder last proved who they are. `token_used` says
    whether the current refresh token was ever presented.
    """

    id: UUID
    user_id: UUID
    family_key: bytes
    user_agent: str | None
    ip_address: str | None
    generation: int
    rotate_time: datetime
    token_used: bool
    recovery_count: int
    create_time: datetime
    auth_time: datetime
    methods: Sequence[str]
    expire_time: datetime
    end_time: datetime | None

    def is_live(self, at: datetime) -> bool:
        return self.end_time is None and at < self.expire_time

    def presented(self, generation: int, at: datetime) -> Presented:
        """Judge a token of this session by its generation."""
        age = (at - self.rotate_time).total_seconds()
        if generation == self.generation:
            return Presented.FRESH if age <= ROTATION_SECONDS else Presented.DUE
        if generation != self.generation - 1:
            return Presented.STALE
        if age <= GRACE_SECONDS:
            return Presented.PREDECESSOR
        if self.token_used or self.recovery_count >= MAX_RECOVERIES:
            return Presented.STALE
        return Presented.UNDELIVERED

    def refreshed(self, presented: Presented, at: datetime) -> "Session":
        """Return the session after a refresh by a token that is not stale."""
        match presented:
            case Presented.FRESH:
                return dataclasses.replace(self, token_used=True)
            case Presented.DUE:
                return dataclasses.replace(
                    self, generation=self.generation + 1, rotate_time=at, token_used=False
                )
            case Presented.UNDELIVERED:
                count = self.recovery_count + 1
                return dataclasses.replace(self, rotate_time=at, recovery_count=count)
        return self


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    access_expire_time: datetime
    refresh_token: str
    refresh_expire_time: datetime
    device_token: str = ""


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What a log-in goes on with whose user has a second factor: no session yet. `kinds` are what
    it can be finished by, as numbers of `SecondFactorKind`.
    """

    token: str
    device_token: str
    kinds: Sequence[int]


@dataclass(frozen=True, slots=True)
class LogIn:
    """A session with what its holder presents."""

    user: User
    session: Session
    tokens: Tokens
    new_device: bool = False
