from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid

from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import USER

audit_keys = Table(
    "audit_keys",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    info=USER,
)
SEALED_AUDIT_KEYS = SealedTable(audit_keys, owner="user_id", binary=("private_key",))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A person's X25519 key pair, for where their audited calls come from."""

    id: UUID
    public_key: bytes
    private_key: bytes
