"""A million jobs of one organization, beside others' few."""

import asyncio
import math
import os
import random
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from libs.jobs.tests.conftest import migrated
from libs.jobs.tests.job_bench import Bench
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_embedded.valkey import ValkeyServer
from tenon_jobs import Job, JobQueue, SilentDoorbell
from tenon_jobs.tables import lane
from tenon_testing.servers import Servers

FLOOD = 1_000_000
FILL_AT_ONCE = 50_000
NEIGHBOURS = 20
JOBS_EACH = 10
IN_TIME_SECONDS = 1.0

FILL = """
INSERT INTO work.jobs (id, type, payload, org_id, lane, run_at, priority)
SELECT gen_random_uuid(), 'work', '{}', :org_id, :lane, now() - interval '1 hour', 0
FROM generate_series(1, :count)
"""


@pytest.fixture
async def apart(servers: Servers, valkey: ValkeyServer) -> AsyncIterator[Bench]:
    """A bench with a database of its own, for it is left full."""
    redis = Redis.from_url(valkey.url())
    database = Database(migrated(servers), schema="work", doorbell=Doorbell(redis))
    yield Bench(database, JobQueue("work", SilentDoorbell()))
    await database.close()
    await redis.aclose()


async def flood(bench: Bench, org_id: UUID, count: int) -> None:
    for begin in range(0, count, FILL_AT_ONCE):
        some = min(FILL_AT_ONCE, count - begin)
        async with bench.database.system("test") as tx:
            given = {"org_id": org_id, "lane": lane(org_id), "count": some}
            await tx.execute(sa.text(FILL), given)


async def delays(bench: Bench, neighbours: int, each: int, some: random.Random) -> list[float]:
    """Enqueue others' jobs one after the other, and return how long each waited to begin."""
    began: dict[UUID, asyncio.Future[float]] = {}

    async def work(job: Job) -> None:
        if job.id in began:
            began[job.id].set_result(time.monotonic())
        await asyncio.sleep(0.001)

    waited = []
    orgs = [uuid7() for _ in range(neighbours)]
    async with bench.worker(bench.doing(work), concurrency=8).running():
        for _ in range(neighbours * each):
            async with bench.database.system("test") as tx:
                job_id = await bench.queue.enqueue(tx, "work", {}, org_id=some.choice(orgs))
                began[job_id] = asyncio.get_running_loop().create_future()
            enqueued = time.monotonic()
            waited.append(await asyncio.wait_for(began[job_id], 30) - enqueued)
    return waited


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 # no secret


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


async def test_neighbours_of_a_flood_do_not_wait(apart: Bench) -> None:
    await flood(apart, uuid7(), 5_000)
    assert p99(await delays(apart, 3, 5, chance(1))) < IN_TIME_SECONDS


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_neighbours_of_a_million_jobs_do_not_wait(apart: Bench) -> None:
    seed = int(os.environ.get("TENON_SEED") or time.time_ns())
    print(f"TENON_SEED={seed}")  # noqa: T201 # to repeat it
    some, flooding = chance(seed), uuid7()
    await flood(apart, flooding, 5_000)
    few = await delays(apart, NEIGHBOURS, JOBS_EACH, some)
    await flood(apart, flooding, FLOOD)
    many = await delays(apart, NEIGHBOURS, JOBS_EACH, some)
    urgent = await urgent_delay(apart, flooding)
    figures = [round(seconds * 1000) for seconds in (p99(few), p99(many), urgent)]
    print("ms beside 5,000, beside a million, and urgent:", *figures)  # noqa: T201 # the figures
    assert p99(many) < IN_TIME_SECONDS
    assert urgent < IN_TIME_SECONDS


async def urgent_delay(bench: Bench, org_id: UUID) -> float:
    """Return how long a job of a smaller priority waits behind all those of its organization."""
    began: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def work(job: Job) -> None:
        if job.payload:
            began.set_result(time.monotonic())

    async with bench.worker(bench.doing(work), concurrency=8).running():
        async with bench.database.system("test") as tx:
            urgent = {"urgent": True}
            await bench.queue.enqueue(tx, "work", urgent, org_id=org_id, priority=-1)
        enqueued = time.monotonic()
        return await asyncio.wait_for(began, 30) - enqueued


async def test_control_behind_its_own_flood_a_job_waits(apart: Bench) -> None:
    """Of the flooding organization itself, an ordinary job does not overtake."""
    org_id, began = uuid7(), 0
    await flood(apart, org_id, 500)

    async def count(_: Job) -> None:
        nonlocal began
        began += 1

    last = await apart.enqueue(org_id=org_id)
    async with apart.worker(apart.doing(count), concurrency=8).running():

        async def done() -> bool:
            return [row.state for row in await apart.rows() if row.id == last] == ["succeeded"]

        await apart.until(done)
    assert began > 490
