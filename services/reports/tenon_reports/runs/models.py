import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Column, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from tenon_db.tables import TENANT
from tenon_reports.datasets.models import METADATA
from tenon_reports.queries.models import Source
from tenon_storage.storage import Part

runs = Table(
    "runs",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, nullable=False),
    # Null where an API key began it.
    Column("user_id", Uuid),
    Column("state", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("source", JSONB, nullable=False),
    # The dataset's when the run was started: the file holds no later events, so that a run that
    # has to begin again writes the same file again.
    Column("generation", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("eta_seconds", BigInteger),
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Column("failure", Text, nullable=False, server_default=""),
    # Why it waits to go on by itself; empty while it runs.
    Column("waiting_reason", Text, nullable=False, server_default=""),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("expire_time", DateTime(timezone=True)),
    # What is stored of the file while it is written; null before, and where it is not in parts.
    Column("written", JSONB(none_as_null=True)),
    info=TENANT,
)

SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
FILE_LIFETIME = timedelta(days=7)
NOT_IN_FILE_NAMES = re.compile(r"[^\w.-]+")


class RunState(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    UPLOADING = "uploading"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


WORKING = frozenset({RunState.RUNNING, RunState.UPLOADING})
UNFINISHED = WORKING | {RunState.QUEUED, RunState.CANCELLING}
FINISHED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.EXPIRED})


class Phase(Enum):
    WAITING = "waiting"
    COUNTING = "counting"
    WRITING = "writing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` written of `total`; the last two are None until they can be told."""

    phase: Phase
    rows: int = 0
    total: int | None = None
    eta_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How much of a file of events is stored for good, so that an export can go on from there.

    `dimensions` and `measures` are how many columns the file has of each: a dataset may get more.
    `lines` are those of the parts, the header included, and `last_time` is the last event's.
    """

    name: str
    dimensions: int
    measures: int
    parts: tuple[Part, ...] = ()
    lines: int = 0
    last_time: datetime | None = None
    whole: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(part.size for part in self.parts)

    def with_part(
        self, part: Part, lines: int, last_time: datetime | None, *, whole: bool
    ) -> "Written":
        parts = (*self.parts, part)
        return replace(self, parts=parts, lines=lines, last_time=last_time, whole=whole)


WRITTEN: TypeAdapter[Written] = TypeAdapter(Written)


@dataclass(frozen=True, slots=True)
class Run:
    org_id: UUID
    id: UUID
    dataset_id: UUID
    user_id: UUID | None
    state: RunState
    format: str
    source: Source
    generation: int
    progress: Progress
    size_bytes: int
    failure: str
    create_time: datetime
    finish_time: datetime | None
    expire_time: datetime | None
    written: Written | None = None
    waiting_reason: str = ""

    @property
    def unfinished(self) -> dict[str, str]:
        """Name the parts of the file by its key, if there are any."""
        return {self.file_key: self.written.name} if self.written else {}

    @property
    def file_key(self) -> str:
        return f"orgs/{self.org_id}/runs/{self.id}/file.{self.format}"

    def file_name(self, dataset_name: str) -> str:
        """Return `<dataset>-<yyyymmdd>.csv`."""
        name = NOT_IN_FILE_NAMES.sub("-", dataset_name).strip("-.") or "export"
        return f"{name}-{self.create_time:%Y%m%d}.{self.format}"
