from typing import Any
from uuid import uuid4

import pytest

from services.reports.tests.reports_client import ReportsClient, event, plain
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon_rpc.status import PeerError

COUNT = {"name": "n", "op": "OP_COUNT"}


def metric(op: str, field: str = "size", name: str = "m") -> dict[str, str]:
    return {"name": name, "op": f"OP_{op.upper()}", "field": field}


@pytest.fixture
async def dataset(client: ReportsClient) -> Dataset:
    """Five events: sizes 0.1, 0.2, -3, 10 and null."""
    dataset = await client.create_dataset(dimensions=("color", "shape"))
    red, blue = {"color": "red", "shape": "round"}, {"color": "blue"}
    await client.ingest(
        dataset.id,
        event("a", "2024-01-01T00:00:00Z", red, {"size": 0.1}),
        event("b", "2024-01-01T23:59:59Z", red, {"size": 0.2}),
        event("c", "2024-01-02T00:00:00Z", blue, {"size": -3}),
        event("d", "2024-02-01T00:00:00Z", {}, {"size": 10}),
        event("e", "2024-02-29T12:00:00Z", {"color": "50%_off\\"}, {}),
    )
    return dataset


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (COUNT, 5.0),
        (metric("count"), 4.0),
        (metric("count", "color"), 4.0),
        (metric("sum"), 7.3),
        (metric("avg"), 1.825),
        (metric("min"), -3.0),
        (metric("max"), 10.0),
        (metric("distinct", "color"), 3.0),
        (metric("distinct"), 4.0),
        (metric("p50"), pytest.approx(0.15)),
        (metric("p90"), pytest.approx(7.06)),
        (metric("p99"), pytest.approx(9.706)),
    ],
)
async def test_metrics_ignore_nulls(
    client: ReportsClient, dataset: Dataset, asked: dict[str, str], value: float
) -> None:
    assert await client.rows(dataset.id, metrics=[asked]) == [[value]]


async def test_metrics_of_nothing(client: ReportsClient, dataset: Dataset) -> None:
    metrics = [COUNT, *(metric(op, name=op) for op in ("sum", "avg", "min", "p50", "distinct"))]
    never = {"start": "2030-01-01T00:00:00Z"}
    rows = await client.rows(dataset.id, metrics=metrics, time_range=never)
    assert rows == [[0.0, None, None, None, None, 0.0]]


async def test_sums_do_not_depend_on_the_order(client: ReportsClient) -> None:
    values = [1e16, 1.0, -1e16, 0.1, 0.2, 1e-9, 12345678.9]
    sums = []
    for order in (values, values[::-1]):
        dataset = await client.create_dataset()
        events = [event(str(n), measures={"size": value}) for n, value in enumerate(order)]
        await client.ingest(dataset.id, *events)
        sums.append(await client.rows(dataset.id, metrics=[metric("sum")]))
    assert sums[0] == sums[1] == [[12345680.200000001]]


async def test_an_answer_has_columns_rows_totals_and_freshness(
    client: ReportsClient, dataset: Dataset
) -> None:
    answer = await client.query(
        dataset.id,
        metrics=[COUNT, metric("sum", name="total")],
        dimensions=["color"],
        granularity="GRANULARITY_MONTH",
        limit=1,
    )
    assert list(answer.columns) == ["time", "color", "n", "total"]
    assert [[plain(cell) for cell in row.values] for row in answer.rows] == [
        ["2024-01-01T00:00:00Z", "blue", 1.0, -3.0]
    ]
    assert {name: plain(cell) for name, cell in answer.totals.fields.items()} == {
        "n": 5.0,
        "total": 7.3,
    }
    assert answer.freshness.complete
    assert answer.freshness.watermark.seconds
    assert not answer.cached


@pytest.mark.parametrize(
    ("op", "field", "value", "kept"),
    [
        ("eq", "color", "red", "ab"),
        ("ne", "color", "red", "cde"),
        ("in", "color", ["red", "blue"], "abc"),
        ("not_in", "color", ["red", "blue"], "de"),
        ("gt", "color", "blue", "ab"),
        ("lte", "color", "blue", "ce"),
        ("contains", "color", "e", "abc"),
        ("contains", "color", "E", ""),
        ("contains", "color", "%_", "e"),
        ("contains", "color", "\\", "e"),
        ("contains", "color", "r_d", ""),
        ("is_null", "color", True, "d"),
        ("is_null", "color", False, "abce"),
        ("eq", "size", 0.1, "a"),
        ("ne", "size", 0.1, "bcde"),
        ("in", "size", [0.1, 10], "ad"),
        ("not_in", "size", [0.1, 10], "bce"),
        ("gt", "size", 0.1, "bd"),
        ("gte", "size", 0.1, "abd"),
        ("lt", "size", 0, "c"),
        ("lte", "size", 0.1, "ac"),
        ("is_null", "size", True, "e"),
    ],
)
async def test_filters(
    client: ReportsClient, dataset: Dataset, op: str, field: str, value: Any, kept: str
) -> None:
    asked = {"field": field, "op": f"OP_{op.upper()}", "value": value}
    days = {"a": 1, "b": 1, "c": 2, "d": 32, "e": 60}
    assert await client.rows(dataset.id, filters=[asked]) == [[float(len(kept))]]
    rows = await client.rows(dataset.id, filters=[asked], granularity="GRANULARITY_DAY")
    assert len(rows) == len({days[name] for name in kept})


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", 2),
        ("2024-01-01T00:00:01Z", None, 4),
        (None, "2024-02-01T00:00:00Z", 3),
        ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z", 0),
    ],
)
async def test_a_time_range_is_half_open(
    client: ReportsClient, dataset: Dataset, start: str | None, end: str | None, count: int
) -> None:
    time_range = {k: v for k, v in (("start", start), ("end", end)) if v}
    assert await client.rows(dataset.id, time_range=time_range) == [[float(count)]]


@pytest.mark.parametrize(
    ("granularity", "zone", "starts"),
    [
        ("HOUR", "Asia/Kolkata", ["2023-12-31T23:30:00Z", "2024-01-01T23:30:00Z"]),
        ("DAY", "Asia/Kolkata", ["2023-12-31T18:30:00Z", "2024-01-01T18:30:00Z"]),
        ("WEEK", "UTC", ["2024-01-01T00:00:00Z", "2024-01-29T00:00:00Z"]),
        ("MONTH", "America/New_York", ["2023-12-01T05:00:00Z", "2024-01-01T05:00:00Z"]),
    ],
)
async def test_buckets_begin_in_the_zone(
    client: ReportsClient, dataset: Dataset, granularity: str, zone: str, starts: list[str]
) -> None:
    rows = await client.rows(
        dataset.id, granularity=f"GRANULARITY_{granularity}", time_zone=zone, limit=2
    )
    assert [row[0] for row in rows] == starts


async def test_a_day_that_begins_twice_begins_the_first_time(client: ReportsClient) -> None:
    # In Havana the clocks went back from 1:00 to 0:00 on 5 November 2023.
    dataset = await client.create_dataset(time_zone="America/Havana")
    await client.ingest(
        dataset.id,
        event("first", "2023-11-05T04:30:00Z"),
        event("second", "2023-11-05T05:30:00Z"),
        event("before", "2023-11-05T03:59:00Z"),
    )
    assert await client.rows(dataset.id, granularity="GRANULARITY_DAY") == [
        ["2023-11-04T04:00:00Z", 1.0],
        ["2023-11-05T04:00:00Z", 2.0],
    ]


@pytest.mark.parametrize(
    ("order_by", "colors"),
    [
        ("", ["50%_off\\", "blue", "red", None]),
        ("color desc", ["red", "blue", "50%_off\\", None]),
        ("n desc, color", ["red", "50%_off\\", "blue", None]),
        (" n ASC ,color desc", ["blue", "50%_off\\", None, "red"]),
    ],
)
async def test_order(
    client: ReportsClient, dataset: Dataset, order_by: str, colors: list[str | None]
) -> None:
    rows = await client.rows(dataset.id, dimensions=["color"], order_by=order_by)
    assert [row[0] for row in rows] == colors


async def test_a_metric_may_be_named_like_its_field(
    client: ReportsClient, dataset: Dataset
) -> None:
    metrics = [metric("sum", name="size"), metric("count", "color", name="color")]
    assert await client.rows(dataset.id, metrics=metrics, dimensions=["shape"]) == [
        ["round", pytest.approx(0.3), 2.0],
        [None, 7.0, 2.0],
    ]


async def test_all_that_is_wrong_is_told_at_once(client: ReportsClient, dataset: Dataset) -> None:
    with pytest.raises(PeerError) as refused:
        await client.query(
            dataset.id,
            metrics=[
                {"name": "Bad Name", "op": "OP_COUNT"},
                {"name": "time", "op": "OP_SUM", "field": "color"},
                {"name": "a", "op": "OP_SUM"},
                {"name": "a", "op": "OP_MAX", "field": "weight"},
                {"name": "b"},
            ],
            dimensions=["hue", "size", "color", "color"],
            filters=[
                {"field": "hue", "op": "OP_EQ", "value": "x"},
                {"field": "size", "op": "OP_CONTAINS", "value": "x"},
                {"field": "size", "op": "OP_EQ", "value": "x"},
                {"field": "color", "op": "OP_IN", "value": ["x", 1, None]},
                {"field": "color", "op": "OP_IS_NULL", "value": "yes"},
                {"field": "color", "value": "x"},
            ],
            time_range={"start": "2024-01-02T00:00:00Z", "end": "2024-01-01T00:00:00Z"},
            time_zone="Mars/Olympus",
            order_by="nothing",
        )
    assert refused.value.reason == "invalid_query"
    assert [field.pointer for field in refused.value.fields] == [
        "/time_range/end",
        "/filters/0/field",
        "/filters/1/op",
        "/filters/2/value",
        "/filters/3/value/1",
        "/filters/3/value/2",
        "/filters/4/value",
        "/filters/5/op",
        "/metrics/0/name",
        "/metrics/1/name",
        "/metrics/1/field",
        "/metrics/2/field",
        "/metrics/3/name",
        "/metrics/3/field",
        "/metrics/4/op",
        "/dimensions/0",
        "/dimensions/1",
        "/dimensions/3",
        "/time_zone",
        "/order_by",
    ]


async def test_an_unknown_name_is_told_with_those_there_are(
    client: ReportsClient, dataset: Dataset
) -> None:
    with pytest.raises(PeerError) as refused:
        await client.query(
            dataset.id,
            metrics=[metric("sum", "weight")],
            dimensions=["size"],
            filters=[{"field": "x" * 1_000, "op": "OP_EQ", "value": "x"}],
            time_zone="Mars/Olympus",
        )
    assert [field.message for field in refused.value.fields] == [
        f"'{'x' * 63}' is not a column of the dataset; there are: color, shape, size",
        "'weight' is not a column of the dataset; there are: color, shape, size",
        "'size' is not a dimension of the dataset; there are: color, shape",
        "is not an IANA time zone, such as Europe/Vienna or UTC",
    ]


async def test_the_largest_numbers_have_a_sum_and_percentiles(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    events = [event(str(n), measures={"size": value}) for n, value in enumerate((1e300, -1e300))]
    await client.ingest(dataset.id, *events, event("x", measures={"size": 1e300}))
    metrics = [metric(op, name=op) for op in ("sum", "p90")]
    assert await client.rows(dataset.id, metrics=metrics) == [[1e300, 1e300]]


async def test_an_average_below_the_smallest_double_is_zero(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    events = [event(str(n), measures={"size": size}) for n, size in enumerate((5e-324, 0, 0))]
    await client.ingest(dataset.id, *events)
    assert await client.rows(dataset.id, metrics=[metric("avg", name="avg")]) == [[0]]


async def test_a_stranger_finds_no_dataset(stranger: ReportsClient, dataset: Dataset) -> None:
    for dataset_id in (dataset.id, str(uuid4()), "nonsense", ""):
        with pytest.raises(PeerError) as refused:
            await stranger.query(dataset_id)
        assert refused.value.reason == "dataset_not_found"
        assert refused.value.detail == "There is no such dataset."
