from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_db.tables import TENANT, USER
from tenon_tenancy.audit_events.models import ORGANIZATIONS, PERSONS, Log
from tenon_tenancy.organizations.models import METADATA


def _checkpoints(prefix: str, owner: str, info: dict[str, str]) -> Table:
    return Table(
        f"{prefix}_checkpoints",
        METADATA,
        Column(owner, Uuid, primary_key=True),
        Column("position", BigInteger, primary_key=True),
        Column("previous", BigInteger, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False),
        Column("key_id", Text, nullable=False),
        Column("signature", LargeBinary, nullable=False),
        info=info,
    )


CHECKPOINTS = {
    ORGANIZATIONS: _checkpoints("audit", "org_id", TENANT),
    PERSONS: _checkpoints("personal_audit", "user_id", USER),
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log was at a time, signed: its last position, and the hash that covers all of it.

    `owner` is `orgs/<id>` or `users/<id>`, `previous` the position of the checkpoint before it, 0
    if there was none.
    """

    owner: str
    position: int
    previous: int
    hash: bytes
    create_time: datetime
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a log begins since its retention removed what was before, signed: the position and the
    hash of the last line that is gone, which a checkpoint had signed.
    """

    owner: str
    position: int
    hash: bytes
    create_time: datetime
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Where the storage had a checkpoint, and has none any more."""

    position: int


@dataclass(frozen=True, slots=True)
class LogKey:
    """One owner's log."""

    log: Log
    owner_id: UUID

    def __str__(self) -> str:
        return f"{self.log.kind}/{self.owner_id}"
