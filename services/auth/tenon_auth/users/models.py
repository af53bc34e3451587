from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_db.tables import GLOBAL, USER, metadata

METADATA = metadata("auth")

users = Table(
    "users",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email_verified", Boolean, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    info=USER,
)

credentials = Table(
    "credentials",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("password_hash", Text, nullable=False),
    info=USER,
)

# Finds the account of an address before anybody is logged in, so it is global: hashes and ids.
logins = Table(
    "logins",
    METADATA,
    Column("email_hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    email: str
    name: str
    email_verified: bool
    create_time: datetime
