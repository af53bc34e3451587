"""P7: events by REST batches and by a CSV upload, deduplicated, against COPY into one table."""

import asyncio
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import httpx

from tenon_bench.database import copy_in
from tenon_bench.datasets import organization
from tenon_bench.events import DATASET, ID_COLUMN, TIME_COLUMN, batches, write_csv
from tenon_bench.figures import Figure
from tenon_bench.system import SystemUnderTest

BATCH = 5_000
BATCHES_A_SECOND = 6
CLIENTS = 4
ROWS_A_SECOND = 60_000
GOAL_REST = 20_000
GOAL_CSV = 60_000
CEILING = "COPY of the same rows into one indexed table, unchecked"


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    rows = int(seconds * ROWS_A_SECOND)
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as directory:
        file = Path(directory) / "events.csv"
        write_csv(file, rows, "csv")
        ceiling = rows / copy_in(system.database_url(), file)
        uploaded = upload(system, dataset(system), file, rows)
    count = max(CLIENTS, int(seconds * BATCHES_A_SECOND))
    posted = await _post(system, dataset(system), list(batches(count, BATCH, "rest")))
    return [
        _figure(f"REST, batches of {BATCH:,} by {CLIENTS} clients", posted, ceiling, GOAL_REST),
        _figure(f"CSV upload of {rows:,} rows", uploaded, ceiling, GOAL_CSV),
    ]


def dataset(system: SystemUnderTest) -> str:
    """Make a dataset in an organization of its own; return its path."""
    path = f"{organization(system)}/datasets"
    return f"{path}/{system.post(path, DATASET)['id']}"


def upload(system: SystemUnderTest, path: str, file: Path, rows: int) -> float:
    """Upload a file and wait until all its rows are taken; return the rows a second."""
    query = f"time_column={TIME_COLUMN}&id_column={ID_COLUMN}"
    began = time.perf_counter()
    with file.open("rb") as body:
        taken = system.client.post(
            f"{path}/uploads?{query}", content=body, headers={"Content-Type": "text/csv"}
        )
    taken.raise_for_status()
    org_path = path.split("/datasets/", maxsplit=1)[0]
    ended = system.ended(f"{org_path}/uploads/{taken.json()['id']}")
    elapsed = time.perf_counter() - began
    assert ended["accepted"] == rows, ended
    return rows / elapsed


async def _post(system: SystemUnderTest, path: str, bodies: list[bytes]) -> float:
    """Post all bodies, each client one after the other; return the events a second."""
    waiting = iter(bodies)
    headers = {"Cookie": system.cookie, "Origin": system.url, "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=60) as client:
        began = time.perf_counter()
        await asyncio.gather(*(_send(client, f"{path}/events", waiting) for _ in range(CLIENTS)))
        return len(bodies) * BATCH / (time.perf_counter() - began)


async def _send(client: httpx.AsyncClient, path: str, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        reply = await client.post(path, content=body)
        reply.raise_for_status()
        assert reply.json()["accepted"] == BATCH


def _figure(name: str, rate: float, ceiling: float, goal: int) -> Figure:
    return Figure("P7", name, rate, "events/s", CEILING, ceiling, f"≥ {goal}", rate >= goal)
