"""Questions as they travel."""

from google.protobuf.struct_pb2 import Value

from tenon.reports.v1 import query_pb2, run_service_pb2
from tenon_reports.queries.models import EventsAsked, FilterAsked, MetricAsked, Question, Scalar
from tenon_rpc.times import unpacked_time


def unpacked_question(query: query_pb2.Query) -> Question:
    return Question(
        dataset_id=query.dataset_id,
        metrics=[
            MetricAsked(metric.name, _name(query_pb2.Metric.Op, metric.op, "OP_"), metric.field)
            for metric in query.metrics
        ],
        dimensions=list(query.dimensions),
        filters=list(map(_unpacked_filter, query.filters)),
        start=unpacked_time(query.time_range, "start", at="/time_range"),
        end=unpacked_time(query.time_range, "end", at="/time_range"),
        granularity=_name(query_pb2.Granularity, query.granularity, "GRANULARITY_"),
        time_zone=query.time_zone,
        order_by=query.order_by,
        limit=query.limit,
    )


def unpacked_events(asked: run_service_pb2.EventsExport) -> EventsAsked:
    return EventsAsked(
        dataset_id=asked.dataset_id,
        filters=list(map(_unpacked_filter, asked.filters)),
        start=unpacked_time(asked.time_range, "start", at="/time_range"),
        end=unpacked_time(asked.time_range, "end", at="/time_range"),
    )


def _unpacked_filter(asked: query_pb2.Filter) -> FilterAsked:
    value: Scalar | list[Scalar]
    if asked.value.WhichOneof("kind") == "list_value":
        value = [_scalar(each) for each in asked.value.list_value.values]
    else:
        value = _scalar(asked.value)
    return FilterAsked(asked.field, _name(query_pb2.Filter.Op, asked.op, "OP_"), value)


def _scalar(value: Value) -> Scalar:
    """Return text, number or boolean; anything else is None, which no filter takes."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _name(names: object, number: int, prefix: str) -> str:
    """Return an enum's value in our short form; "" if unspecified, "unknown" if not known to us."""
    try:
        name: str = names.Name(number)  # type: ignore[attr-defined] # the wrapper has no public type
    except ValueError:
        return "unknown"
    return name.removeprefix(prefix).lower().replace("unspecified", "")
