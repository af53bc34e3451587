from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import USER

KEPT = timedelta(days=7)
A_DAY = timedelta(days=1)
EXPORTS_A_DAY = 3
MAX_BYTES = 31 * 1024 * 1024
"""Of a document: what one message carries to the gateway."""

personal_exports = Table(
    "personal_exports",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("document", LargeBinary),
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=USER,
)
SEALED_EXPORTS = SealedTable(personal_exports, owner="user_id", binary=("document",))


class ExportState(StrEnum):
    """queued → succeeded | failed"""

    QUEUED = "queued"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Export:
    """A copy of somebody's data; its document, compressed, is read by itself."""

    id: UUID
    user_id: UUID
    state: ExportState
    create_time: datetime
    expire_time: datetime
    finish_time: datetime | None = None
    size_bytes: int = 0
