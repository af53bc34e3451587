from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Table, Text, Uuid

from tenon_crypto.fields import SealedTable
from tenon_db.tables import TENANT
from tenon_policy.policies import Role
from tenon_tenancy.organizations.models import METADATA

LIFE = timedelta(days=7)
KEPT = timedelta(days=7)
"""How long an invitation that is over can still be seen, and sent again."""
MAX_INVITATIONS = 1_000
"""Of one organization, that nobody has accepted."""
LEAST_INVITER = Role.ADMIN
"""As the policies of the RPCs say that send invitations."""

invitations = Table(
    "invitations",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("email", LargeBinary, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("inviter_id", Uuid, nullable=False),
    Column("link_id", Uuid, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=TENANT,
)
SEALED_INVITATIONS = SealedTable(invitations, owner="org_id", text=("email",))

# So that an organization invites an address once: keyed hashes, one for each index key that there
# was. They go with their invitation.
invited_addresses = Table(
    "invited_addresses",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("email_index", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("canonical_version", SmallInteger, nullable=False, server_default="1"),
    Column("invitation_id", Uuid, nullable=False),
    info=TENANT,
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that nobody has accepted. Its link is another one each time it is sent, by the
    inviter who sent it last.
    """

    org_id: UUID
    id: UUID
    email: str
    role: Role
    inviter_id: UUID
    link_id: UUID
    create_time: datetime
    expire_time: datetime

    def is_good(self, inviter: Role, at: datetime) -> bool:
        """Say whether it can be accepted: only while its inviter, of this role now, may send it."""
        return at < self.expire_time and inviter >= max(self.role, LEAST_INVITER)


@dataclass(frozen=True, slots=True)
class Preview:
    """What whoever has the link is shown."""

    organization_name: str
    email: str
    role: Role
    expire_time: datetime
