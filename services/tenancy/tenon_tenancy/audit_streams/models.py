import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from tenon_core.errors import FieldError
from tenon_crypto.fields import SealedTable
from tenon_db.tables import TENANT
from tenon_tenancy.organizations.models import METADATA

audit_streams = Table(
    "audit_streams",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("target", LargeBinary, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("creator_id", Uuid, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("position", BigInteger, nullable=False, server_default="0"),
    Column("failing_since", DateTime(timezone=True)),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True), nullable=False),
    Column("old_secret", LargeBinary),
    Column("old_secret_expire_time", DateTime(timezone=True)),
    Column("slow_until", DateTime(timezone=True)),
    info=TENANT,
)
SEALED_STREAMS = SealedTable(audit_streams, owner="org_id", text=("target", "secret", "old_secret"))
"""URLs, too, may hold secrets."""

audit_deliveries = Table(
    "audit_deliveries",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("stream_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    info=TENANT,
)

FAILING_AFTER = timedelta(days=3)
OVERLAP = timedelta(hours=24)
"""For how long a secret that was replaced still signs."""
MAX_DESCRIPTION = 200
REGION = re.compile(r"[a-z0-9-]{1,40}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?")
MAX_PREFIX = 200
CREDENTIAL = re.compile(r"[!-~]{1,200}")


class StreamState(StrEnum):
    ACTIVE = "active"
    RETRYING = "retrying"
    FAILING = "failing"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint; the stream's secret signs what it gets."""

    kind: ClassVar[str] = "webhook"
    url: str

    @property
    def address(self) -> str:
        return self.url

    def problems(self) -> list[FieldError]:
        return []


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; the stream's secret is the other half of its credentials."""

    kind: ClassVar[str] = "bucket"
    endpoint: str
    region: str
    bucket: str
    prefix: str
    access_key: str

    @property
    def address(self) -> str:
        return self.endpoint

    def problems(self) -> list[FieldError]:
        wrong = {
            "region": not REGION.fullmatch(self.region),
            "bucket": not BUCKET.fullmatch(self.bucket),
            "prefix": len(self.prefix) > MAX_PREFIX or not PREFIX.fullmatch(self.prefix),
            "access_key": not CREDENTIAL.fullmatch(self.access_key),
        }
        return [FieldError(f"/bucket/{name}", "is none") for name, is_so in wrong.items() if is_so]


Target: TypeAlias = Webhook | Bucket


@dataclass(frozen=True, slots=True)
class AuditStream:
    """Where an organization's log is sent, and how far that has come."""

    org_id: UUID
    id: UUID
    description: str
    enabled: bool
    target: Target
    secret: str
    creator_id: UUID
    create_time: datetime
    position: int = 0
    failing_since: datetime | None = None
    last_error: str = ""
    due_time: datetime | None = None
    old_secret: str | None = None
    old_secret_expire_time: datetime | None = None

    def secrets(self, at: datetime) -> list[str]:
        """Return what a webhook's requests are signed with, the newest first."""
        expires = self.old_secret_expire_time
        old = [self.old_secret] if self.old_secret and expires and at < expires else []
        return [self.secret, *old]

    def rotated(self, secret: str, at: datetime) -> "AuditStream":
        """Return the stream with a new secret; the one before it is good for `OVERLAP`."""
        return replace(
            self, secret=secret, old_secret=self.secret, old_secret_expire_time=at + OVERLAP
        )

    def state(self, at: datetime) -> StreamState:
        if not self.enabled:
            return StreamState.DISABLED
        if self.failing_since is None:
            return StreamState.ACTIVE
        long = at - self.failing_since >= FAILING_AFTER
        return StreamState.FAILING if long else StreamState.RETRYING


@dataclass(frozen=True, slots=True)
class Delivery:
    """Lines that are sent together, by one id however often."""

    id: UUID
    first: int
    last: int
    state: DeliveryState
    attempts: int
    last_error: str
    create_time: datetime
    finish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class DueStream:
    """A stream that has something to send now, and by whose share it is sent.

    One whose endpoint fails, or took long within the last hour, has a lane of its own.
    """

    org_id: UUID
    id: UUID
    account_id: UUID
    is_slow: bool


def written_target(target: Target) -> str:
    return json.dumps(asdict(target))


def read_target(kind: str, written: str) -> Target:
    said: Mapping[str, Any] = json.loads(written)
    return Webhook(**said) if kind == Webhook.kind else Bucket(**said)
