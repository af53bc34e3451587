"""From a plan to SQL: the only place that knows how a question is asked of PostgreSQL."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Numeric,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from tenon_reports import zones
from tenon_reports.ingest.models import events
from tenon_reports.queries.models import (
    EventsPlan,
    Field,
    Filter,
    FilterOp,
    Granularity,
    Kind,
    Metric,
    MetricOp,
    Plan,
    Selection,
)

# Whole numbers below become numeric by way of bigint, which is quicker than by way of text.
WHOLE = 1e15
SMALLEST = cast(literal("1e-307"), Numeric)
HOUR = timedelta(hours=1)

Expression = ColumnElement[Any]

# A null is equal to nothing, so `ne` and `not_in` keep it; the other comparisons drop it.
COMPARISONS: dict[FilterOp, Callable[[Expression, Any], ColumnElement[bool]]] = {
    FilterOp.EQ: lambda field, values: field == values[0],
    FilterOp.NE: lambda field, values: field.is_distinct_from(values[0]),
    FilterOp.IN: lambda field, values: field.in_(values),
    FilterOp.NOT_IN: lambda field, values: or_(field.is_(None), field.not_in(values)),
    FilterOp.GT: lambda field, values: field > values[0],
    FilterOp.GTE: lambda field, values: field >= values[0],
    FilterOp.LT: lambda field, values: field < values[0],
    FilterOp.LTE: lambda field, values: field <= values[0],
    # LIKE '%…%' takes time in proportion to the text's length times the pattern's; strpos skips.
    FilterOp.CONTAINS: lambda field, values: func.strpos(field, values[0]) > 0,
    FilterOp.IS_NULL: lambda field, values: field.is_(None) if values[0] else field.is_not(None),
}


def _percentile(share: float) -> Callable[[Expression], Expression]:
    return lambda field: func.percentile_cont(share).within_group(field)


METRICS: dict[MetricOp, Callable[[Expression], Expression]] = {
    MetricOp.COUNT: func.count,
    MetricOp.SUM: lambda field: cast(_exact_sum(field), Double),
    MetricOp.MIN: func.min,
    MetricOp.MAX: func.max,
    MetricOp.AVG: lambda field: _double(_exact_sum(field) / func.count(field)),
    MetricOp.DISTINCT: lambda field: func.count(field.distinct()),
    MetricOp.P50: _percentile(0.5),
    MetricOp.P90: _percentile(0.9),
    MetricOp.P95: _percentile(0.95),
    MetricOp.P99: _percentile(0.99),
}


def select_rows(plan: Plan) -> Select[Any]:
    """Select the answer's rows, in the order of its columns."""
    groups = _groups(plan)
    columns = [groups.c[name] for name in plan.columns]
    if plan.granularity:
        columns[0] = _first_of_two(groups.c.time, plan).label("time")
    return select(*columns).order_by(*_order(plan, groups)).limit(plan.limit)


def select_totals(plan: Plan) -> Select[Any]:
    """Select the metrics over all groups, in one row."""
    return _metrics(plan, _rows(plan), ())


def select_events(plan: EventsPlan) -> Select[Any]:
    """Select id, time and the fields of events, sorted by time, then id."""
    fields = [_value(field).label(field.name) for field in plan.fields]
    return (
        select(events.c.id, events.c.time, *fields)
        .where(*_conditions(plan.selection))
        .order_by(events.c.time, events.c.id)
    )


def count_events(plan: EventsPlan) -> Select[Any]:
    return select(func.count()).select_from(events).where(*_conditions(plan.selection))


def _groups(plan: Plan) -> Subquery:
    rows = _rows(plan)
    keys = [rows.c[name] for name in plan.columns[: -len(plan.metrics)]]
    return _metrics(plan, rows, keys).group_by(*keys).subquery("groups")


def _rows(plan: Plan) -> Subquery:
    """Select what is grouped and measured under short names, for metrics choose theirs freely.

    A subquery, so that a key is the same expression where it is selected and where it groups.
    """
    fields = {*plan.dimensions, *(metric.field for metric in plan.metrics if metric.field)}
    columns = [_value(field).label(field.name) for field in fields]
    if plan.granularity:
        columns.append(_bucket(plan.granularity, zones.sql_name(plan.time_zone)).label("time"))
    if not columns:
        columns.append(literal(1).label("time"))
    return select(*columns).where(*_conditions(plan.selection)).subquery("rows")


def _metrics(plan: Plan, rows: Subquery, keys: Iterable[Expression]) -> Select[Any]:
    return select(*keys, *(_metric(metric, rows) for metric in plan.metrics)).select_from(rows)


def _metric(metric: Metric, rows: Subquery) -> Expression:
    if metric.field is None:
        return func.count().label(metric.name)
    return METRICS[metric.op](rows.c[metric.field.name]).label(metric.name)


def _double(number: Expression) -> Expression:
    """Cast a numeric; PostgreSQL refuses what is too small for a double, which is 0 here."""
    return cast(case((func.abs(number) < SMALLEST, 0), else_=number), Double)


def _exact_sum(field: Expression) -> Expression:
    """Add decimals as they are written, so that their order does not matter.

    (A direct cast from double precision to numeric would keep 15 digits only.)
    """
    whole = (func.abs(field) < WHOLE) & (field == func.trunc(field))
    as_numeric = case(
        (whole, cast(cast(field, BigInteger), Numeric)), else_=cast(cast(field, Text), Numeric)
    )
    return func.sum(as_numeric)


def _bucket(granularity: Granularity, zone: str) -> Expression:
    return func.date_trunc(granularity.value, events.c.time, zone, type_=DateTime(timezone=True))


def _first_of_two(bucket: Expression, plan: Plan) -> Expression:
    """Return where the bucket starts when the clocks show midnight twice: at the first."""
    if plan.granularity is Granularity.HOUR:
        return bucket
    zone = zones.sql_name(plan.time_zone)
    shown = func.timezone(zone, bucket)
    shown_earlier = func.timezone(zone, bucket - HOUR)
    return case((shown_earlier == shown, bucket - HOUR), else_=bucket)


def _order(plan: Plan, groups: Subquery) -> list[Expression]:
    """Order as asked, then by the keys, so that equal rows stand still; nulls come last."""
    keys = plan.columns[: -len(plan.metrics)]
    asked = {order.column: order.descending for order in plan.order}
    columns = {**asked, **{key: False for key in keys if key not in asked}}
    return [
        (groups.c[name].desc() if descending else groups.c[name].asc()).nulls_last()
        for name, descending in columns.items()
    ]


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    found = [
        events.c.org_id == selection.org_id,
        events.c.dataset_id == selection.dataset_id,
        *map(_condition, selection.filters),
    ]
    if selection.start is not None:
        found.append(events.c.time >= selection.start)
    if selection.end is not None:
        found.append(events.c.time < selection.end)
    if selection.generation is not None:
        found.append(events.c.generation <= selection.generation)
    return found


def _condition(wanted: Filter) -> ColumnElement[bool]:
    return COMPARISONS[wanted.op](_value(wanted.field), wanted.values)


def _value(field: Field) -> Expression:
    """Return the field of an event; places in PostgreSQL's arrays count from 1."""
    values = events.c.dimensions if field.kind is Kind.DIMENSION else events.c.measures
    return values[field.place + 1]
