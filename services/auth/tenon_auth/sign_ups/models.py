from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import GLOBAL


class SignUps(StrEnum):
    """Who may make an account.

    OPEN: anybody, at once. VERIFIED: anybody, by a link that is mailed to the address; nobody
    learns which addresses have accounts. CLOSED: nobody. Whoever is invited may, in any case.
    """

    OPEN = "open"
    VERIFIED = "verified"
    CLOSED = "closed"


# Accounts that nobody can log in to yet, by when they are given up: ids, and hashes of devices.
pending_sign_ups = Table(
    "pending_sign_ups",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("device_hash", LargeBinary),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class PendingSignUp:
    """An account that waits for its link. `device_hash` stands for where it was begun; None if
    nobody knows.
    """

    user_id: UUID
    expire_time: datetime
    device_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sign-up came to that waits for its link: the browser is known by this token then."""

    device_token: str
