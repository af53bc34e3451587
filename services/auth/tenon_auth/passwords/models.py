from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Column, Integer, Table, Text, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import USER

credentials = Table(
    "credentials",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("changes", Integer, nullable=False, server_default="0"),
    info=USER,
)


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody's password is checked against; `changes` counts how often it was replaced."""

    user_id: UUID
    password_hash: str
    changes: int
