"""A real data set: 336,776 flights out of New York in 2013, and answers computed elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parents[4] / "shared" / "data"
FILE = DIRECTORY / "flights.csv.gz"
EXPECTED = DIRECTORY / "flights.expected.json"
ROWS = 336_776

DIMENSIONS = ("carrier", "flight", "tailnum", "origin", "dest")
MEASURES = ("dep_delay", "arr_delay", "air_time", "distance")
HEADER = {"time_column": "time_hour", "null": "NA", "gzip": True}

needed = pytest.mark.skipif(
    not FILE.exists(), reason=f"the flights are not beside the repository: {FILE} is missing"
)


def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EXPECTED.read_text())
    return found
