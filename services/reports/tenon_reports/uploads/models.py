from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.tables import TENANT
from tenon_reports.datasets.models import METADATA

uploads = Table(
    "uploads",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, nullable=False),
    # Null where an API key began it.
    Column("user_id", Uuid),
    Column("state", Text, nullable=False),
    Column("time_column", Text, nullable=False),
    Column("id_column", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("null_text", Text, nullable=False),
    Column("gzip", Boolean, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    # Of the decompressed bytes; null until they were all read once.
    Column("sha256", Text),
    # Records of the file that are done, the header not counted: where a crash resumes.
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),
    Column("conflicts", BigInteger, nullable=False, server_default="0"),
    Column("rejected", BigInteger, nullable=False, server_default="0"),
    # Of the dataset, when the file was read.
    Column("missing_columns", ARRAY(Text), nullable=False, server_default="{}"),
    # The stored objects with rejected rows, by the record at which each begins.
    Column("rejected_parts", ARRAY(BigInteger), nullable=False, server_default="{}"),
    # How many of the rejected rows are in these objects, and their size.
    Column("listed_rows", BigInteger, nullable=False, server_default="0"),
    Column("listed_bytes", BigInteger, nullable=False, server_default="0"),
    Column("failure", Text, nullable=False, server_default=""),
    # Why it waits to go on by itself; empty while it runs.
    Column("waiting_reason", Text, nullable=False, server_default=""),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    info=TENANT,
)


class UploadState(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


FINISHED = frozenset({UploadState.SUCCEEDED, UploadState.FAILED})


@dataclass(frozen=True, slots=True)
class Header:
    """How a file is to be read. `time_zone` "" is the dataset's, `id_column` "" makes ids."""

    time_column: str
    id_column: str
    time_zone: str
    null_text: str
    gzip: bool


@dataclass(frozen=True, slots=True)
class Counts:
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """How much of the rejected rows is stored."""

    rows: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    org_id: UUID
    id: UUID
    dataset_id: UUID
    user_id: UUID | None
    state: UploadState
    header: Header
    size_bytes: int
    sha256: str | None
    rows: int
    counts: Counts
    missing_columns: tuple[str, ...]
    rejected_parts: tuple[int, ...]
    failure: str
    create_time: datetime
    finish_time: datetime | None
    listed: Listed = Listed()
    waiting_reason: str = ""

    @property
    def body_key(self) -> str:
        return body_key(self.org_id, self.id)

    def rejected_key(self, part: int) -> str:
        return f"orgs/{self.org_id}/uploads/{self.id}/rejected/{part}.csv"

    @property
    def working_keys(self) -> list[str]:
        """What a load needs: the body, and the rejected rows that it may have begun to write."""
        return [self.body_key, self.rejected_key(self.rows)]

    @property
    def file_keys(self) -> list[str]:
        return [*self.working_keys, *map(self.rejected_key, self.rejected_parts)]


def body_key(org_id: UUID, upload_id: UUID) -> str:
    return f"orgs/{org_id}/uploads/{upload_id}/body"


class UnusableFile(Exception):  # the message is what the user reads
    """The file cannot be loaded; trying again would not help."""
