"""A tenant's real events, asked about over HTTP, against answers computed elsewhere."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.conftest import Flights


def ask(flights: Flights, **query: Any) -> dict[str, Any]:
    body = {"dataset_id": flights.dataset, **query}
    answer: dict[str, Any] = flights.person.send("POST", f"{flights.person.org}/queries", json=body)
    return answer


def by_first_column(flights: Flights, op: str, field: str | None, group: str, **query: Any) -> Any:
    metric = {"name": "value", "op": op} | ({"field": field} if field else {})
    answer = ask(flights, metrics=[metric], dimensions=[group], **query)
    assert answer["columns"] == [group, "value"]
    return dict(answer["rows"])


def by_time(flights: Flights, granularity: str, zone: str) -> dict[str, int]:
    count = [{"name": "flights", "op": "count"}]
    answer = ask(flights, metrics=count, granularity=granularity, time_zone=zone, limit=10_000)
    assert answer["columns"] == ["time", "flights"]
    return dict(answer["rows"])


def local_day(time: str, zone: str) -> str:
    return datetime.fromisoformat(time).astimezone(ZoneInfo(zone)).date().isoformat()


def test_every_row_is_accepted(loaded: Flights) -> None:
    assert loaded.upload["state"] == "succeeded", loaded.upload
    counts = {name: loaded.upload[name] for name in ("accepted", "duplicates", "rejected")}
    assert counts == {"accepted": loaded.expected["rows"], "duplicates": 0, "rejected": 0}


def test_counts(loaded: Flights) -> None:
    expected = loaded.expected["count_by_carrier"]
    assert by_first_column(loaded, "count", None, "carrier") == expected


def test_sums(loaded: Flights) -> None:
    expected = loaded.expected["sum_distance_by_origin"]
    assert by_first_column(loaded, "sum", "distance", "origin") == expected


def test_averages(loaded: Flights) -> None:
    expected = loaded.expected["avg_dep_delay_by_carrier"]
    answer = by_first_column(loaded, "avg", "dep_delay", "carrier")
    assert answer == pytest.approx(expected, rel=0, abs=1e-6)


def test_exact_percentiles(loaded: Flights) -> None:
    expected = loaded.expected["p95_dep_delay_by_carrier"]
    answer = by_first_column(loaded, "p95", "dep_delay", "carrier", exact=True)
    assert answer == pytest.approx(expected, rel=0, abs=1e-6)


def test_distinct(loaded: Flights) -> None:
    expected = loaded.expected["distinct_tailnum_by_origin"]
    assert by_first_column(loaded, "distinct", "tailnum", "origin") == expected


def test_filters_and_extremes(loaded: Flights) -> None:
    metrics = [
        {"name": "count", "op": "count"},
        {"name": "sum_distance", "op": "sum", "field": "distance"},
        {"name": "min_dep_delay", "op": "min", "field": "dep_delay"},
        {"name": "max_dep_delay", "op": "max", "field": "dep_delay"},
    ]
    filters = [
        {"field": "origin", "op": "eq", "value": "JFK"},
        {"field": "dest", "op": "in", "value": ["LAX", "SFO"]},
    ]
    answer = ask(loaded, metrics=metrics, filters=filters)
    expected = loaded.expected["jfk_to_lax_or_sfo"]
    assert dict(zip(answer["columns"], answer["rows"][0], strict=True)) == expected
    assert answer["totals"] == expected


@pytest.mark.parametrize(
    ("zone", "midnight", "answers"),
    [
        ("America/New_York", {"2013-03-10": "05", "2013-11-03": "04"}, "count_by_day_new_york"),
        ("Asia/Kolkata", {}, "count_by_day_kolkata"),
    ],
)
def test_local_days(loaded: Flights, zone: str, midnight: dict[str, str], answers: str) -> None:
    """Also the days of 23 and of 25 hours; buckets are named by their start in UTC."""
    days = {local_day(time, zone): count for time, count in by_time(loaded, "day", zone).items()}
    expected = loaded.expected[answers]
    assert {day: days[day] for day in expected} == expected
    starts = {local_day(time, zone): time for time in by_time(loaded, "day", zone)}
    for day, hour in midnight.items():
        assert starts[day] == f"{day}T{hour}:00:00Z"


def test_local_months(loaded: Flights) -> None:
    zone = "America/New_York"
    months = {
        local_day(time, zone)[:7]: count for time, count in by_time(loaded, "month", zone).items()
    }
    assert months == loaded.expected["count_by_month_new_york"]


def test_hours_of_the_day_on_which_daylight_saving_ends(loaded: Flights) -> None:
    expected = loaded.expected["count_by_hour_dst_end_day_utc_keys"]
    hours = by_time(loaded, "hour", "America/New_York")
    day = {"start": "2013-11-03T04:00:00Z", "end": "2013-11-04T05:00:00Z"}
    within = {time: count for time, count in hours.items() if day["start"] <= time < day["end"]}
    assert within == expected
