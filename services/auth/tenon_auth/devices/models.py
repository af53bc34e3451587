from dataclasses import dataclass

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import USER

devices = Table(
    "devices",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, primary_key=True),
    Column("last_seen_time", DateTime(timezone=True), nullable=False),
    info=USER,
)


@dataclass(frozen=True, slots=True)
class Device:
    """Where a log-in comes from, as the gateway says; `token` is empty on a device that is new."""

    user_agent: str = ""
    ip_address: str = ""
    token: str = ""
