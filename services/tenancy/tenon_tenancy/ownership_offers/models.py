from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, Uuid

from tenon_db.tables import TENANT
from tenon_policy.policies import Role
from tenon_tenancy.organizations.models import METADATA

LIFE = timedelta(days=7)

# An organization's last offer, whatever has become of it.
ownership_offers = Table(
    "ownership_offers",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("accept_time", DateTime(timezone=True)),
    info=TENANT,
)


@dataclass(frozen=True, slots=True)
class OwnershipOffer:
    """An owner's offer to hand the organization over to a member."""

    org_id: UUID
    id: UUID
    owner_id: UUID
    user_id: UUID
    create_time: datetime
    expire_time: datetime
    accept_time: datetime | None = None

    def is_open(self, owner: Role, member: Role, at: datetime) -> bool:
        """Say whether it waits to be accepted, by the roles that both have now."""
        waits = self.accept_time is None and at < self.expire_time
        return waits and owner is Role.OWNER and member is not Role.NONE
