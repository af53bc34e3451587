from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import GLOBAL, USER

OWN = "auth"
OTHERS = ("tenancy", "reports", "notifications")
"""Whoever holds something of a person, and says so when it is destroyed."""

# Ids, times and counts alone: they outlive the person.
erasures = Table(
    "erasures",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("request_time", DateTime(timezone=True), nullable=False),
    Column("erase_time", DateTime(timezone=True)),
    Column("finish_time", DateTime(timezone=True)),
    info=GLOBAL,
)
erasure_receipts = Table(
    "erasure_receipts",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("keys", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("erase_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)
# Where the receipts are mailed to. Its owner is not the person, whose keys are destroyed before
# that, but the erasure: `user_id` is the erasure's id.
erasure_notices = Table(
    "erasure_notices",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("email", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    info=USER,
)
SEALED_NOTICES = SealedTable(
    erasure_notices, owner="user_id", row="user_id", text=("email", "name")
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """requested → erased, by auth itself → finished, by all services."""

    user_id: UUID
    id: UUID
    request_time: datetime
    erase_time: datetime | None = None
    finish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one service has destroyed of a person."""

    user_id: UUID
    service: str
    keys: int
    rows: int
    erase_time: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """To whom an erasure's receipts are mailed."""

    email: str
    name: str
