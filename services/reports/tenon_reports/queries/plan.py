"""From a question to a plan, or to a list of everything that is wrong with it."""

from enum import Enum
from typing import TypeVar
from uuid import UUID

from tenon_core.errors import FieldError
from tenon_reports import zones
from tenon_reports.datasets.models import COLUMN_NAME, Dataset
from tenon_reports.errors import InvalidQuery
from tenon_reports.queries.filters import FilterCheck, unknown
from tenon_reports.queries.models import (
    EventsAsked,
    EventsPlan,
    Field,
    Granularity,
    Kind,
    Metric,
    MetricAsked,
    MetricOp,
    Order,
    Plan,
    Question,
    Selection,
)

MAX_METRICS = 20
MAX_DIMENSIONS = 10
DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
TIME = "time"

ANY_FIELD = frozenset({MetricOp.COUNT, MetricOp.DISTINCT})
DIRECTIONS = {"": False, "asc": False, "desc": True}

T = TypeVar("T", bound=Enum)


def plan_query(org_id: UUID, dataset: Dataset, asked: Question, at: str = "") -> Plan:
    """Check a question about a dataset; InvalidQuery names all that is wrong.

    `at` points to the question within the request.
    """
    check = _Check(dataset, at)
    granularity = check.granularity(asked.granularity)
    plan = Plan(
        selection=check.selection(org_id, asked),
        metrics=check.metrics(asked),
        dimensions=check.dimensions(asked),
        granularity=granularity,
        time_zone=check.time_zone(asked.time_zone),
        order=check.order(asked, timed=granularity is not None),
        limit=check.limit(asked.limit),
    )
    check.require()
    return plan


def plan_events(org_id: UUID, dataset: Dataset, asked: EventsAsked, at: str = "") -> EventsPlan:
    """Check an export of events; InvalidQuery names all that is wrong."""
    check = _Check(dataset, at)
    plan = EventsPlan(check.selection(org_id, asked), tuple(check.fields.values()))
    check.require()
    return plan


def fields_of(dataset: Dataset) -> dict[str, Field]:
    """Return the dataset's columns by name, dimensions first."""
    kinds = ((Kind.DIMENSION, dataset.dimensions), (Kind.MEASURE, dataset.measures))
    return {
        name: Field(name, kind, place) for kind, names in kinds for place, name in enumerate(names)
    }


class _Check:
    """Reads the parts of a question and gathers what is wrong with them."""

    def __init__(self, dataset: Dataset, at: str) -> None:
        self.fields = fields_of(dataset)
        self._dataset = dataset
        self._at = at
        self._errors: list[FieldError] = []

    def require(self) -> None:
        if self._errors:
            raise InvalidQuery(fields=self._errors)

    def selection(self, org_id: UUID, asked: Question | EventsAsked) -> Selection:
        if asked.start and asked.end and asked.start > asked.end:
            self._wrong("/time_range/end", "must not be before start")
        filters = FilterCheck(self.fields, self._wrong).checked(asked.filters)
        return Selection(org_id, self._dataset.id, filters, asked.start, asked.end)

    def metrics(self, asked: Question) -> tuple[Metric, ...]:
        if not 1 <= len(asked.metrics) <= MAX_METRICS:
            self._wrong("/metrics", f"must be 1 to {MAX_METRICS}")
        taken = {TIME, *asked.dimensions}
        found = []
        for place, metric in enumerate(asked.metrics[:MAX_METRICS]):
            found.append(self._metric(f"/metrics/{place}", metric, taken))
            taken.add(metric.name)
        return tuple(metric for metric in found if metric)

    def _metric(self, at: str, asked: MetricAsked, taken: set[str]) -> Metric | None:
        if not COLUMN_NAME.fullmatch(asked.name):
            self._wrong(f"{at}/name", "must be up to 63 of a-z, 0-9 and _, and begin with a letter")
        elif asked.name in taken:
            self._wrong(f"{at}/name", "is the name of another column of the answer")
        op = _member(MetricOp, asked.op)
        if op is None:
            self._wrong(f"{at}/op", f"must be one of {_names(MetricOp)}")
            return None
        field = self._metric_field(f"{at}/field", op, asked.field)
        return Metric(asked.name, op, field)

    def _metric_field(self, at: str, op: MetricOp, name: str) -> Field | None:
        if not name:
            if op is not MetricOp.COUNT:
                self._wrong(at, f"is needed for {op.value}")
            return None
        field = self.fields.get(name)
        if field is None:
            self._wrong(at, unknown("column", name, self.fields))
        elif field.kind is Kind.DIMENSION and op not in ANY_FIELD:
            self._wrong(at, f"is a dimension, and {op.value} needs a measure")
        return field

    def dimensions(self, asked: Question) -> tuple[Field, ...]:
        if len(asked.dimensions) > MAX_DIMENSIONS:
            self._wrong("/dimensions", f"must be at most {MAX_DIMENSIONS}")
        found: dict[str, Field] = {}
        known = self._dataset.dimensions
        for place, name in enumerate(asked.dimensions[:MAX_DIMENSIONS]):
            field = self.fields.get(name)
            if field is None or field.kind is not Kind.DIMENSION:
                self._wrong(f"/dimensions/{place}", unknown("dimension", name, known))
            elif name in found:
                self._wrong(f"/dimensions/{place}", "is there already")
            else:
                found[name] = field
        return tuple(found.values())

    def granularity(self, asked: str) -> Granularity | None:
        if asked in {"", "none"}:
            return None
        found = _member(Granularity, asked)
        if found is None:
            self._wrong("/granularity", f"must be one of none, {_names(Granularity)}")
        return found

    def time_zone(self, asked: str) -> str:
        if asked and not zones.is_zone(asked):
            self._wrong("/time_zone", zones.NOT_A_ZONE)
        return asked or self._dataset.time_zone

    def limit(self, asked: int) -> int:
        if not 0 <= asked <= MAX_LIMIT:
            self._wrong("/limit", f"must be 1 to {MAX_LIMIT}")
        return asked or DEFAULT_LIMIT

    def order(self, asked: Question, *, timed: bool) -> tuple[Order, ...]:
        columns = {*asked.dimensions, *(metric.name for metric in asked.metrics)}
        if timed:
            columns.add(TIME)
        found: dict[str, Order] = {}
        for part in asked.order_by.split(",") if asked.order_by.strip() else ():
            name, _, direction = part.strip().partition(" ")
            descending = DIRECTIONS.get(direction.strip().lower())
            if descending is None or name not in columns or name in found:
                self._wrong(
                    "/order_by",
                    f"{part.strip()!r} is not a column of the answer, once, asc or desc",
                )
            else:
                found[name] = Order(name, descending)
        return tuple(found.values())

    def _wrong(self, pointer: str, message: str) -> None:
        self._errors.append(FieldError(self._at + pointer, message))


def _member(names: type[T], name: str) -> T | None:
    return next((member for member in names if member.value == name), None)


def _names(names: type[Enum]) -> str:
    return ", ".join(member.value for member in names)
