import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_core.display_names import name_problem
from tenon_core.errors import FieldError
from tenon_db.tables import TENANT, metadata
from tenon_reports import zones

METADATA = metadata("reports")

datasets = Table(
    "datasets",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("dimensions", ARRAY(Text), nullable=False),
    Column("measures", ARRAY(Text), nullable=False),
    # Counts the batches of events; the events of a batch carry its number.
    Column("generation", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # A deleted dataset is there for nobody but the job that removes its events.
    Column("delete_time", DateTime(timezone=True)),
    info=TENANT,
)

MAX_NAME_CHARS = 100
MAX_COLUMNS = 50
COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset({"id", "time"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """`dimensions` and `measures` are names; an event's values stand in the same order."""

    id: UUID
    name: str
    time_zone: str
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    generation: int
    create_time: datetime


def name_errors(name: str) -> list[FieldError]:
    problem = name_problem(name, MAX_NAME_CHARS)
    return [FieldError("/name", problem)] if problem else []


def zone_errors(time_zone: str) -> list[FieldError]:
    if zones.is_zone(time_zone):
        return []
    return [FieldError("/time_zone", zones.NOT_A_ZONE)]


def column_errors(dimensions: Sequence[str], measures: Sequence[str]) -> list[FieldError]:
    """Return what is wrong with the columns of a dataset."""
    found: list[FieldError] = []
    seen = set(RESERVED)
    for field, names in (("dimensions", dimensions), ("measures", measures)):
        if len(names) > MAX_COLUMNS:
            found.append(FieldError(f"/{field}", f"must be at most {MAX_COLUMNS}"))
        for place, name in enumerate(names):
            if message := _column_error(name, seen):
                found.append(FieldError(f"/{field}/{place}", message))
            seen.add(name)
    return found


def _column_error(name: str, seen: set[str]) -> str | None:
    if not COLUMN_NAME.fullmatch(name):
        return "must be up to 63 of a-z, 0-9 and _, and begin with a letter"
    if name in RESERVED:
        return "is reserved"
    if name in seen:
        return "is there already"
    return None
