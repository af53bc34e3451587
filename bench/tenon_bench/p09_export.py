"""P9: an export of all events as CSV, against COPY of the same rows from one table."""

import tempfile
import time
from pathlib import Path

from tenon_bench.database import copy_in, copy_out
from tenon_bench.events import write_csv
from tenon_bench.figures import Figure
from tenon_bench.p07_ingest import dataset, upload
from tenon_bench.system import SystemUnderTest

ROWS_A_SECOND = 500_000
GOAL_RATE = 400_000
GOAL_MB = 250


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    rows = int(seconds * ROWS_A_SECOND)
    path = dataset(system)
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as directory:
        file = Path(directory) / "events.csv"
        write_csv(file, rows, "csv")
        copy_in(system.database_url(), file)
        upload(system, path, file, rows)
    ceiling = rows / copy_out(system.database_url())
    rate = rows / _export(system, path)
    peak = system.peak_mb("reports-worker")
    return [
        Figure(
            "P9",
            f"export of {rows:,} events as CSV, worker's peak {peak:.0f} MB",
            rate,
            "rows/s",
            "COPY of the same rows, sorted, thrown away",
            ceiling,
            f"≥ {GOAL_RATE}, ≤ {GOAL_MB} MB",
            rate >= GOAL_RATE and peak <= GOAL_MB,
        )
    ]


def _export(system: SystemUnderTest, path: str) -> float:
    """Export a dataset's events; return the seconds from the request to the finished file."""
    org_path, dataset_id = path.split("/datasets/", maxsplit=1)
    began = time.perf_counter()
    body = {"events": {"dataset_id": dataset_id}, "format": "csv"}
    run_id = system.post(f"{org_path}/runs", body)["id"]
    system.ended(f"{org_path}/runs/{run_id}")
    return time.perf_counter() - began
