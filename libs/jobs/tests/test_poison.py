"""A job that kills its workers, and what the others feel of it."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from libs.jobs.tests.job_bench import Bench
from libs.jobs.tests.test_worker_process import Start, start
from tenon_core import clock
from tenon_embedded.valkey import ValkeyServer
from tenon_jobs import CeleryDoorbell, JobQueue, SilentDoorbell, repository
from tenon_jobs.command import jobs
from tenon_jobs.sweeper import Sweeper

__all__ = ["start"]

RATE = 50
SECONDS = 60
WORKERS = 2
MAX_RATIO = 2.0


async def lost(bench: Bench, claims: int) -> str:
    """Make a job whose worker is gone for the so manieth time, sweep, and return its state."""
    await bench.enqueue()
    table = bench.queue.table
    gone = clock.now() - timedelta(seconds=1)
    async with bench.database.system("test") as tx:
        await tx.execute(
            sa.update(table).values(state="running", lease_until=gone, claims=claims, token=claims)
        )
    types = [bench.doing()]
    sweeper = Sweeper(bench.database, table, types, SilentDoorbell(), seconds=1)
    await sweeper.sweep()
    return str((await bench.row()).state)


@pytest.mark.parametrize(("claims", "state"), [(1, "queued"), (2, "queued"), (3, "quarantined")])
async def test_the_third_lost_claim_is_the_last(bench: Bench, claims: int, state: str) -> None:
    assert await lost(bench, claims) == state


async def test_control_with_more_claims_allowed_it_comes_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_CLAIMS", 4)
    assert await lost(bench, 3) == "queued"


@asynccontextmanager
async def supervised(start: Start, redis_url: str) -> AsyncIterator[list[int]]:
    """Keep workers running, as a supervisor does; yields the statuses of those that ended."""
    ended: list[int] = []

    async def keep() -> None:
        while True:
            process = await start(redis_url, 1.0)
            ended.append(await process.wait())

    keeping = [asyncio.create_task(keep()) for _ in range(WORKERS)]
    try:
        yield ended
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def offered(bench: Bench) -> list[float]:
    """Enqueue quick jobs at a steady rate, and return how long each took to its end."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        await bench.enqueue("quick")
    table = bench.queue.table
    took = sa.extract("epoch", table.c.finish_time - table.c.create_time)

    async def all_done() -> bool:
        async with bench.database.system("test") as tx:
            left = table.c.type == "quick", table.c.state != "succeeded"
            return not await tx.scalar(sa.select(sa.func.count()).select_from(table).where(*left))

    async with asyncio.timeout(60):
        while not await all_done():
            await asyncio.sleep(0.1)
    async with bench.database.system("test") as tx:
        rows = await tx.rows(sa.select(took.label("took")).where(table.c.type == "quick"))
        await tx.execute(sa.delete(table).where(table.c.type == "quick"))
    return [float(row.took) for row in rows]


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


async def warmed(bench: Bench) -> None:
    await bench.enqueue("quick")
    await bench.until_states("succeeded")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_poison_is_quarantined_and_shown_and_others_hardly_wait(
    bench: Bench, start: Start, valkey: ValkeyServer, database_url: str
) -> None:
    bench.queue = JobQueue("work", CeleryDoorbell("work", valkey.url()))
    async with supervised(start, valkey.url()) as ended:
        await warmed(bench)
        healthy = p99(await offered(bench))
        poison = await bench.enqueue("slow poison")  # a killed worker is back within its lease
        beside = p99(await offered(bench))
        killed = len(ended)
    figures = [round(seconds * 1000) for seconds in (healthy, beside)]
    print("ms, without poison and beside it:", *figures, "killed:", killed)  # noqa: T201 # the figures
    shown = await asyncio.to_thread(
        CliRunner().invoke, jobs, ["list", "--state", "quarantined"], obj={"work": database_url}
    )
    assert str(poison) in shown.output
    assert killed == 3
    assert beside <= MAX_RATIO * healthy
