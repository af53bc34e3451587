import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Person

UNFINISHED = {"queued", "running", "uploading", "cancelling"}

DIMENSIONS = ["carrier", "origin", "dest", "tailnum"]
MEASURES = ["distance", "dep_delay", "air_time"]


def finished(person: Person, path: str, within: float = 60.0) -> dict[str, Any]:
    """Return an upload or a run once it has ended."""
    deadline = time.monotonic() + within
    while (state := person.send("GET", path))["state"] in UNFINISHED:
        assert time.monotonic() < deadline, f"{path} is still {state}"
        time.sleep(0.1)
    return dict(state)


def upload(person: Person, dataset: str, body: bytes, **query: str) -> dict[str, Any]:
    """Upload a CSV file and return what became of it."""
    queued = person.send(
        "POST",
        f"{person.org}/datasets/{dataset}/uploads",
        params=query,
        content=body,
        headers={"Content-Type": "text/csv"},
    )
    return finished(person, f"{person.org}/uploads/{queued['id']}")


@dataclass(frozen=True)
class Flights:
    """The flights of 2013, loaded by somebody into a dataset in New York's time."""

    person: Person
    dataset: str
    upload: dict[str, Any]
    expected: dict[str, Any]
    csv: bytes


@pytest.fixture(scope="session")
def loaded(new_person: Callable[[], Person], flights: Path) -> Flights:
    person = new_person()
    dataset = person.send(
        "POST",
        f"{person.org}/datasets",
        json={
            "name": "flights",
            "time_zone": "America/New_York",
            "dimensions": DIMENSIONS,
            "measures": MEASURES,
        },
    )["id"]
    packed = (flights / "flights.csv.gz").read_bytes()
    loading = upload(person, dataset, packed, time_column="time_hour", null="NA")
    expected = json.loads((flights / "flights.expected.json").read_text())
    return Flights(person, dataset, loading, expected, gzip.decompress(packed))
