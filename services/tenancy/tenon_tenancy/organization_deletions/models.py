from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.tables import GLOBAL
from tenon_tenancy.organizations.models import METADATA

SERVICES = ("auth", "tenancy", "reports", "notifications")
"""Whoever holds something of an organization, and says so when it is destroyed."""

KEPT = frozenset(
    {"audit_heads", "audit_events", "audit_checkpoints", "audit_actions", "audit_hours"}
)
"""What stays of an organization: what was done in it, by ids that mean nothing any more, and by
what that is searched.
"""

FOLDERS = ("audit-exports",)
"""Where slices keep files in tenancy's storage, those of an organization below its id."""

# Ids, times and counts alone: they outlive the organization.
organization_deletions = Table(
    "organization_deletions",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("user_id", Uuid, nullable=False),
    Column("request_time", DateTime(timezone=True), nullable=False),
    Column("delete_time", DateTime(timezone=True), nullable=False),
    Column("end_time", DateTime(timezone=True)),
    Column("finish_time", DateTime(timezone=True)),
    # Who owned it at its end.
    Column("owner_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    info=GLOBAL,
)
organization_erasure_receipts = Table(
    "organization_erasure_receipts",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("keys", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("erase_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class OrganizationDeletion:
    """scheduled → ended, when nobody was a member any more → finished, by all services."""

    org_id: UUID
    id: UUID
    user_id: UUID
    request_time: datetime
    delete_time: datetime
    end_time: datetime | None = None
    finish_time: datetime | None = None
    owner_ids: tuple[UUID, ...] = ()

    def is_readable_by(self, user_id: UUID) -> bool:
        return user_id == self.user_id or user_id in self.owner_ids


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one service has destroyed of an organization."""

    org_id: UUID
    service: str
    keys: int
    rows: int
    files: int
    erase_time: datetime
