from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Table, Text, Uuid

from tenon_db.tables import TENANT
from tenon_tenancy.organizations.models import METADATA

audit_exports = Table(
    "audit_exports",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("end_time", DateTime(timezone=True)),
    Column("first_position", BigInteger),
    Column("last_position", BigInteger),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Column("failure", Text, nullable=False, server_default=""),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=TENANT,
)

KEPT = timedelta(days=7)
LINK_LIFETIME = timedelta(minutes=5)
AT_ONCE = 3
MAX_LINES = 10_000_000
"""Of one export: some minutes of writing, which is what the death of a worker costs."""


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


class ExportState(StrEnum):
    """queued → running → succeeded → expired, or failed"""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


UNFINISHED = frozenset({ExportState.QUEUED, ExportState.RUNNING})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The lines between two positions, both included; none where the last is before the first."""

    first: int
    last: int

    @property
    def lines(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class AuditExport:
    """The lines of a time, written to a file. `first_position` and `last_position` are None until
    it is settled which these are.
    """

    org_id: UUID
    id: UUID
    state: ExportState
    format: ExportFormat
    start_time: datetime | None
    end_time: datetime | None
    create_time: datetime
    expire_time: datetime
    first_position: int | None = None
    last_position: int | None = None
    lines: int = 0
    size_bytes: int = 0
    failure: str = ""
    finish_time: datetime | None = None

    @property
    def stretch(self) -> Stretch | None:
        if self.first_position is None or self.last_position is None:
            return None
        return Stretch(self.first_position, self.last_position)

    @property
    def total(self) -> int | None:
        """How many lines there will be; None until that is settled."""
        return self.stretch.lines if self.stretch else None

    @property
    def log_key(self) -> str:
        return f"{self._folder}/log.{self.format}"

    @property
    def log_name(self) -> str:
        return f"audit-log-{self.create_time:%Y%m%d}.{self.format}"

    @property
    def checkpoints_key(self) -> str:
        return f"{self._folder}/checkpoints.jsonl"

    @property
    def checkpoints_name(self) -> str:
        return f"audit-checkpoints-{self.create_time:%Y%m%d}.jsonl"

    @property
    def _folder(self) -> str:
        return f"audit-exports/{self.org_id}/{self.id}"
