"""Zones mean the same to Python, on every machine, and to PostgreSQL."""

import zoneinfo

import pytest

from services.reports.tests.reports_client import ReportsClient, event
from tenon_reports import zones
from tenon_reports.app import services
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import Backbone


async def test_zones_are_those_of_the_tzdata_package(
    backbone: Backbone[ReportsSettings],
) -> None:
    services(backbone)
    assert zoneinfo.TZPATH == ()
    assert {"Europe/Vienna", "UTC", "CET"} <= zoneinfo.available_timezones()
    assert zones.zone("Europe/Vienna").key == "Europe/Vienna"


@pytest.mark.parametrize(
    ("zone", "local", "day"),
    [
        ("CET", "2024-07-15T00:30:00", "2024-07-14T22:00:00Z"),
        ("EST", "1905-01-01T00:30:00", "1905-01-01T05:19:36Z"),
    ],
)
async def test_days_of_a_zone_named_like_an_abbreviation(
    client: ReportsClient, zone: str, local: str, day: str
) -> None:
    dataset = await client.create_dataset(time_zone=zone)
    answer = await client.ingest(dataset.id, event("a", local))
    assert answer.accepted == 1
    assert await client.rows(dataset.id, granularity="GRANULARITY_DAY") == [[day, 1.0]]
