from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, Table, Text, Uuid

from tenon_db.tables import GLOBAL, TENANT, metadata
from tenon_policy.policies import Role

METADATA = metadata("tenancy")

organizations = Table(
    "organizations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("audit_retention_days", Integer, nullable=False, server_default="0"),
    info=TENANT,
)

# A slug is unique over all tenants, so it is global: names for the public, and ids.
slugs = Table(
    "slugs",
    METADATA,
    Column("slug", Text, primary_key=True),
    Column("org_id", Uuid, nullable=False, unique=True),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization as somebody sees it: `role` is theirs, and so is `join_time` in the list of
    one's own.
    """

    id: UUID
    name: str
    slug: str
    create_time: datetime
    role: Role
    join_time: datetime | None = None
