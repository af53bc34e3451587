from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, Text, Uuid
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


class Presented(Enum):
    """What a refresh token is to its session."""

    CURRENT = "current"
    PREDECESSOR = "predecessor"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in on one device. Family key and generation make its refresh token.

    It rotates whenever it is used longer than an access token lives, so `rotate_time` says when it
    was last seen, too. `auth_time` is when its holder last proved who they are.
    """

    id: UUID
    user_id: UUID
    family_key: bytes
    user_agent: str | None
    ip_address: str | None
    generation: int
    rotate_time: datetime
    create_time: datetime
    auth_time: datetime
    methods: Sequence[str]
    expire_time: datetime
    end_time: datetime | None

    def is_live(self, at: datetime) -> bool:
        return self.end_time is None and at < self.expire_time

    def presented(self, generation: int, at: datetime, grace_seconds: float) -> Presented:
        """Judge a token by its generation: tabs that refresh at once all hold the predecessor."""
        if generation == self.generation:
            return Presented.CURRENT
        in_grace = (at - self.rotate_time).total_seconds() <= grace_seconds
        if generation == self.generation - 1 and in_grace:
            return Presented.PREDECESSOR
        return Presented.STALE


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
