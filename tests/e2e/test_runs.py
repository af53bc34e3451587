"""An export, from the question to the file."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from tenon_testing.system import System
from tests.e2e.conftest import DIMENSIONS, MEASURES, Flights, finished

MEMORY_LIMIT = 250 * 1024 * 1024


def export(flights: Flights) -> str:
    """Export every event; return the run's path once it has succeeded."""
    person = flights.person
    run = person.send(
        "POST",
        f"{person.org}/runs",
        json={"events": {"dataset_id": flights.dataset}, "format": "csv"},
    )
    path = f"{person.org}/runs/{run['id']}"
    ended = finished(person, path)
    assert ended["state"] == "succeeded", ended
    assert ended["progress"]["phase"] == "done"
    assert ended["progress"]["rows"] == ended["progress"]["total"] == flights.expected["rows"]
    return path


def taken(rows: Iterable[dict[str, str]], time_column: str) -> list[tuple[str, ...]]:
    """Return the columns that the dataset took, as text, with nulls empty."""
    columns = [time_column, *DIMENSIONS, *MEASURES]
    return sorted(
        tuple("" if row[column] == "NA" else row[column] for column in columns) for row in rows
    )


def test_the_file_equals_the_input(loaded: Flights) -> None:
    path = export(loaded)
    client = loaded.person.client
    link = client.get(f"{path}/file")
    assert link.status_code == 302
    text = httpx.get(httpx.URL(client.base_url).join(link.headers["location"])).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == loaded.expected["rows"]
    assert list(rows[0]) == ["id", "time", *DIMENSIONS, *MEASURES]
    assert [(row["time"], row["id"]) for row in rows] == sorted(
        (row["time"], row["id"]) for row in rows
    )
    source = csv.DictReader(io.StringIO(loaded.csv.decode()))
    assert taken(rows, "time") == taken(source, "time_hour")


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process ever had in memory."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("the peak of another process is known on Linux only")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_the_worker_stays_small(loaded: Flights, whole_system: System) -> None:
    """A worker that was just started does nothing but the export."""
    worker = whole_system.start("reports", "worker")
    worker.stop()
    worker.start()
    export(loaded)
    assert peak_memory(worker.pid) < MEMORY_LIMIT
