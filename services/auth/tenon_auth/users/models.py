from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, LargeBinary, SmallInteger, Table, Text, Uuid

from tenon_crypto.fields import SealedTable
from tenon_db.tables import GLOBAL, USER, metadata

METADATA = metadata("auth")

users = Table(
    "users",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("email", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("email_verified", Boolean, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    info=USER,
)
SEALED_USERS = SealedTable(users, owner="id", text=("email", "name"))

# Finds the account of an address before anybody is logged in, so it is global: keyed hashes and
# ids. An account has one row for each index key that there was when it was made. Rows with a
# `release_time` find nobody: until then nobody else can have an address that its owner left.
logins = Table(
    "logins",
    METADATA,
    Column("email_index", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("canonical_version", SmallInteger, nullable=False, server_default="1"),
    Column("user_id", Uuid, nullable=False),
    Column("release_time", DateTime(timezone=True)),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    email: str
    name: str
    email_verified: bool
    create_time: datetime


@dataclass(frozen=True, slots=True)
class KeptAddress:
    """An address that its owner has left, and until when nobody else can have it."""

    email: str
    release_time: datetime
