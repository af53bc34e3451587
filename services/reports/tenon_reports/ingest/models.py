from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.tables import TENANT
from tenon_reports.datasets.models import METADATA

# Partitioned by year of time. An array's places are the dataset's columns; one that was appended
# to the dataset later is not in it, and so reads as null.
events = Table(
    "events",
    METADATA,
    Column("org_id", Uuid, nullable=False),
    Column("dataset_id", Uuid, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("id", Text(collation="C"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("dimensions", ARRAY(Text(collation="C")), nullable=False),
    Column("measures", ARRAY(Double), nullable=False),
    info=TENANT,
)

# Takes each id once. `key` is a hash of the id, `payload` one of everything else.
event_keys = Table(
    "event_keys",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, primary_key=True),
    Column("key", Uuid, primary_key=True),
    Column("payload", BigInteger, nullable=False),
    info=TENANT,
)

# How many events a dataset took in each month, and what they take as text: so that nobody has to
# count them. It outlives the dataset, for bills.
ingested_events = Table(
    "ingested_events",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    info=TENANT,
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it was sent, not yet checked."""

    id: str
    time: str
    dimensions: Mapping[str, str]
    measures: Mapping[str, float]


class Outcome(Enum):
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the event at `index` that was not accepted; `reason` if it was rejected."""

    index: int
    id: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many events of a batch were new, and the places of those that were not."""

    accepted: int
    duplicates: tuple[int, ...] = ()
    conflicts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request's events, with a receipt for each that was not accepted."""

    accepted: int
    receipts: tuple[Receipt, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(receipt.outcome is outcome for receipt in self.receipts)
