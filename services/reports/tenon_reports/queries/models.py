"""A question as it was asked, and the plan it becomes once it is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Discriminator

Scalar: TypeAlias = str | float | bool | None


@dataclass(frozen=True, slots=True)
class MetricAsked:
    name: str
    op: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class FilterAsked:
    field: str
    op: str
    value: Scalar | Sequence[Scalar] = None


@dataclass(frozen=True, slots=True)
class Question:
    """Ops and granularity by their lower-case names; "" where the question is silent."""

    dataset_id: str
    metrics: Sequence[MetricAsked]
    dimensions: Sequence[str] = ()
    filters: Sequence[FilterAsked] = ()
    start: datetime | None = None
    end: datetime | None = None
    granularity: str = ""
    time_zone: str = ""
    order_by: str = ""
    limit: int = 0
    kind: Literal["query"] = "query"


@dataclass(frozen=True, slots=True)
class EventsAsked:
    """A question for the events themselves."""

    dataset_id: str
    filters: Sequence[FilterAsked] = ()
    start: datetime | None = None
    end: datetime | None = None
    kind: Literal["events"] = "events"


Source: TypeAlias = Annotated[Question | EventsAsked, Discriminator("kind")]
"""What a run exports."""


class Kind(Enum):
    DIMENSION = "dimension"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class Field:
    """A dataset's column; `place` counts from 0 among those of its kind."""

    name: str
    kind: Kind
    place: int


class MetricOp(Enum):
    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVG = "avg"
    DISTINCT = "distinct"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"


class FilterOp(Enum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    IS_NULL = "is_null"


class Granularity(Enum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Metric:
    """`field` is None for the count of events."""

    name: str
    op: MetricOp
    field: Field | None


@dataclass(frozen=True, slots=True)
class Filter:
    """`values` has one value, or those of in and not_in; for is_null it says which are kept."""

    field: Field
    op: FilterOp
    values: tuple[str | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of a dataset are meant; those up to a generation if one is given."""

    org_id: UUID
    dataset_id: UUID
    filters: tuple[Filter, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A question that can be answered: every name is known and every op fits its field."""

    selection: Selection
    metrics: tuple[Metric, ...]
    dimensions: tuple[Field, ...] = ()
    granularity: Granularity | None = None
    time_zone: str = "UTC"
    order: tuple[Order, ...] = ()
    limit: int = 1_000

    @property
    def columns(self) -> tuple[str, ...]:
        time = ("time",) if self.granularity else ()
        dimensions = tuple(dimension.name for dimension in self.dimensions)
        return time + dimensions + tuple(metric.name for metric in self.metrics)


@dataclass(frozen=True, slots=True)
class EventsPlan:
    """An export of events that can be made: id, time and these fields."""

    selection: Selection
    fields: tuple[Field, ...]


Cell: TypeAlias = str | float | int | None


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """`totals` are the metrics over all groups; every event up to `watermark` is in."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    totals: dict[str, Cell]
    watermark: datetime = field(repr=False)
