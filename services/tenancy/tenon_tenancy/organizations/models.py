from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.tables import GLOBAL, TENANT, metadata
from tenon_policy.policies import Role

METADATA = metadata("tenancy")

organizations = Table(
    "organizations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # The policies, and their version: `policies/models.py`.
    Column("policies_version", BigInteger, nullable=False),
    Column("mfa_required", Boolean, nullable=False),
    Column("session_hours", Integer, nullable=False),
    Column("allowed_networks", ARRAY(Text), nullable=False),
    Column("allowed_mail_domains", ARRAY(Text), nullable=False),
    Column("audit_retention_days", Integer, nullable=False),
    info=TENANT,
)

# A slug is unique over all tenants, so it is global: names for the public, and ids. It is that of
# an organization, or one that it had before.
slugs = Table(
    "slugs",
    METADATA,
    Column("slug", Text, primary_key=True),
    Column("org_id", Uuid, unique=True),
    Column("former_org_id", Uuid),
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
    delete_time: datetime | None = None
