"""The flights, loaded as a user would, give the answers that were computed elsewhere."""

from collections.abc import Iterable
from typing import Any

import pytest

from services.reports.tests import flights
from services.reports.tests.reports_client import ReportsClient
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.upload_pb2 import Upload

pytestmark = [flights.needed, pytest.mark.timeout(300)]


def metric(name: str, op: str, field: str = "") -> dict[str, str]:
    return {"name": name, "op": f"OP_{op.upper()}", "field": field}


@pytest.fixture(scope="module")
async def loaded(reports: Any, callers: Any) -> tuple[ReportsClient, Dataset, Upload]:
    client = ReportsClient(reports, await callers.tenant())
    dataset = await client.create_dataset(
        flights.DIMENSIONS, flights.MEASURES, time_zone="America/New_York"
    )
    upload = await client.load(dataset.id, flights.FILE.read_bytes(), **flights.HEADER)
    return client, dataset, upload


Loaded = tuple[ReportsClient, Dataset, Upload]


def by_key(rows: Iterable[list[Any]]) -> dict[str, Any]:
    return {key: value for key, value in rows}  # noqa: C416 # says that rows are pairs


def test_all_rows_are_accepted(loaded: Loaded) -> None:
    _, _, upload = loaded
    assert (upload.state, upload.failure) == (Upload.STATE_SUCCEEDED, "")
    assert upload.accepted == flights.ROWS
    assert upload.duplicates + upload.conflicts + upload.rejected == 0


@pytest.mark.parametrize(
    ("answer", "asked", "dimension"),
    [
        ("count_by_carrier", metric("n", "count"), "carrier"),
        ("avg_dep_delay_by_carrier", metric("a", "avg", "dep_delay"), "carrier"),
        ("p95_dep_delay_by_carrier", metric("p", "p95", "dep_delay"), "carrier"),
        ("sum_distance_by_origin", metric("s", "sum", "distance"), "origin"),
        ("distinct_tailnum_by_origin", metric("d", "distinct", "tailnum"), "origin"),
    ],
)
async def test_metrics_by_dimension(
    loaded: Loaded, answer: str, asked: dict[str, str], dimension: str
) -> None:
    client, dataset, _ = loaded
    rows = await client.rows(dataset.id, metrics=[asked], dimensions=[dimension])
    assert by_key(rows) == pytest.approx(flights.expected()[answer], rel=1e-9)


@pytest.mark.parametrize(
    ("answer", "zone"),
    [("count_by_day_new_york", ""), ("count_by_day_kolkata", "Asia/Kolkata")],
)
async def test_days_begin_in_the_zone_that_is_asked_for(
    loaded: Loaded, answer: str, zone: str
) -> None:
    client, dataset, _ = loaded
    rows = await client.rows(dataset.id, granularity="GRANULARITY_DAY", time_zone=zone)
    offset = {"": "T05:00:00Z", "Asia/Kolkata": "T18:30:00Z"}[zone]
    counted = by_key(rows)
    for day, count in flights.expected()[answer].items():
        assert counted[bucket(day, zone)] == count, (day, offset)


def bucket(day: str, zone: str) -> str:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    local = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone or "America/New_York"))
    return local.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def test_months(loaded: Loaded) -> None:
    client, dataset, _ = loaded
    rows = await client.rows(dataset.id, granularity="GRANULARITY_MONTH")
    expected = flights.expected()["count_by_month_new_york"]
    assert by_key(rows) == {bucket(f"{month}-01", ""): n for month, n in expected.items()}


async def test_hours_of_the_day_on_which_the_clocks_go_back(loaded: Loaded) -> None:
    client, dataset, _ = loaded
    rows = await client.rows(
        dataset.id,
        granularity="GRANULARITY_HOUR",
        time_range={"start": "2013-11-03T04:00:00Z", "end": "2013-11-04T05:00:00Z"},
    )
    assert by_key(rows) == flights.expected()["count_by_hour_dst_end_day_utc_keys"]


async def test_filters(loaded: Loaded) -> None:
    client, dataset, _ = loaded
    rows = await client.rows(
        dataset.id,
        metrics=[
            metric("count", "count"),
            metric("max", "max", "dep_delay"),
            metric("min", "min", "dep_delay"),
            metric("sum", "sum", "distance"),
        ],
        filters=[
            {"field": "origin", "op": "OP_EQ", "value": "JFK"},
            {"field": "dest", "op": "OP_IN", "value": ["LAX", "SFO"]},
        ],
    )
    expected = flights.expected()["jfk_to_lax_or_sfo"]
    names = ("count", "max_dep_delay", "min_dep_delay", "sum_distance")
    assert rows == [[expected[name] for name in names]]


async def test_the_same_file_again_adds_nothing(loaded: Loaded) -> None:
    client, dataset, _ = loaded
    upload = await client.load(dataset.id, flights.FILE.read_bytes(), **flights.HEADER)
    assert (upload.accepted, upload.duplicates) == (0, flights.ROWS)
    assert await client.rows(dataset.id) == [[float(flights.ROWS)]]
