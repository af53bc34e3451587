from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_auth.sessions.models import LogIn, SecondStep
from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import GLOBAL, USER

identities = Table(
    "identities",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("email", LargeBinary),
    Column("create_time", DateTime(timezone=True), nullable=False),
    info=USER,
)
SEALED_IDENTITIES = SealedTable(identities, owner="user_id", text=("subject", "email"))

# Finds the account of an issuer's subject before anybody is logged in, as `logins` does by address.
identity_logins = Table(
    "identity_logins",
    METADATA,
    Column("subject_index", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("identity_id", Uuid, nullable=False),
    info=GLOBAL,
)

# Log-ins by a provider that were finished, until nobody could finish them any more: ids alone.
spent_flows = Table(
    "spent_flows",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A user's account at a provider: what the issuer calls them, and the address it knows."""

    id: UUID
    user_id: UUID
    issuer: str
    subject: str
    email: str | None
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a browser is led, and what it shows when it comes back."""

    url: str
    flow_token: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """Where a browser goes in the end; `log_in` is None where an account was connected."""

    return_to: str
    log_in: LogIn | SecondStep | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An identity with what its provider is called; `provider` is empty for one of former times."""

    identity: Identity
    provider: str
    title: str
