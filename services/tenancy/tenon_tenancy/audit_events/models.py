from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text, Uuid

from tenon_db.tables import GLOBAL, TENANT, USER
from tenon_policy.audit_clients import OpenedClient
from tenon_tenancy.organizations.models import METADATA


def _record() -> list[Column[object]]:
    return [
        Column("action", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("resource", Text, nullable=False),
        Column("session_id", Uuid),
        Column("request_id", Text, nullable=False),
        Column("count", Integer, nullable=False),
        Column("event_time", DateTime(timezone=True), nullable=False),
        Column("client", LargeBinary),
        Column("client_digest", Text),
        Column("changes", Text),
    ]


@dataclass(frozen=True, slots=True)
class Log:
    """The tables of the logs of one kind of owner: dense positions for each `owner`, from 1 on or
    from where its retention lets it begin.

    The head's row holds an owner's last position and its hash, and locks the log while it grows.
    `hashed` is the position that the hash is of: it lags where an older version of tenancy wrote.
    `covered` is that of the last checkpoint, `begins_after` that of the last line that was removed;
    what proves it is in the object storage.
    """

    kind: str
    owner: str
    heads: Table
    events: Table


def _log(kind: str, prefix: str, owner: str, info: dict[str, str]) -> Log:
    heads = Table(
        f"{prefix}_heads",
        METADATA,
        Column(owner, Uuid, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("hashed", BigInteger, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        Column("covered", BigInteger, nullable=False),
        Column("begins_after", BigInteger, nullable=False, server_default="0"),
        info=info,
    )
    events = Table(
        f"{prefix}_events",
        METADATA,
        Column(owner, Uuid, primary_key=True),
        Column("position", BigInteger, primary_key=True),
        Column("id", Uuid, nullable=False),
        *_record(),
        Column("hash", LargeBinary),
        info=info,
    )
    return Log(kind, owner, heads, events)


ORGANIZATIONS = _log("orgs", "audit", "org_id", TENANT)
PERSONS = _log("users", "personal_audit", "user_id", USER)

# What services did for themselves; no tenant's and no person's.
service_events = Table(
    "service_audit_events",
    METADATA,
    Column("id", Uuid, primary_key=True),
    *_record(),
    info=GLOBAL,
)


# What an organization's log is searched by, beside its indexes. A trigger of `audit_events` keeps
# both: which actions there are, and between which positions the lines of an hour are.
audit_actions = Table(
    "audit_actions",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("action", Text, primary_key=True),
    info=TENANT,
)
audit_hours = Table(
    "audit_hours",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    info=TENANT,
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who did what, as a service reported it; `count` equal reads within a minute are one.

    `client` is where the call came from, sealed (`tenon_policy.audit_clients`), and `changes` what
    an update changed, as JSON; None if there is none.
    """

    id: UUID
    action: str
    actor: str
    resource: str
    session_id: UUID | None
    request_id: str
    count: int
    event_time: datetime
    client: bytes | None = None
    client_digest: str | None = None
    changes: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log ends: the position of its last line, and that line's hash."""

    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A line of a log; its hash covers it and all lines before it (`chain.py`)."""

    position: int
    access: Access
    hash: bytes


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """A line with where its call came from, as who may read the log sees it."""

    event: AuditEvent
    client: OpenedClient
