"""A big backlog, or a job that always fails, makes no storm."""

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis

from libs.jobs.tests.job_bench import Bench
from tenon_core import clock
from tenon_embedded.valkey import ValkeyServer
from tenon_jobs import CeleryDoorbell, Job, celery_doorbell, rehint
from tenon_jobs.celery_app import queue_name
from tenon_jobs.rehint import Rehint
from tenon_jobs.sweeper import Sweeper

SWEEPS = 50


class CountingDoorbell:
    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


async def backlog(bench: Bench, jobs: int = 100) -> None:
    """Jobs that have waited for long, and that no worker takes."""
    overdue = clock.now() - timedelta(minutes=5)
    async with bench.database.system("test") as tx:
        for _ in range(jobs):
            await bench.queue.enqueue(tx, "nobody's", {}, run_at=overdue)


async def rings(bench: Bench) -> int:
    """Sweep many times at once, and return how often the bell was rung."""
    bell = CountingDoorbell()
    sweeper = Sweeper(bench.database, bench.queue.table, [], bell, seconds=1)
    for _ in range(SWEEPS):
        await sweeper.sweep()
    return bell.rings


async def test_a_backlog_is_hinted_at_once_and_then_rarely(bench: Bench) -> None:
    await backlog(bench)
    assert await rings(bench) == 1


async def test_control_without_damping_each_sweep_rings(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehint, "FIRST_SECONDS", 0.0)
    await backlog(bench)
    assert await rings(bench) == SWEEPS


def test_hints_become_rarer_while_a_backlog_lasts() -> None:
    hint = Rehint()
    rung = [now for now in range(3600) if hint.due(now, overdue=True)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(rung)]
    assert max(gaps[:1]) <= 6
    assert min(gaps[5:]) >= 29
    assert max(gaps) <= 61


def test_the_next_backlog_is_hinted_at_once() -> None:
    hint = Rehint()
    assert hint.due(0, overdue=True)
    assert not hint.due(1, overdue=True)
    assert not hint.due(2, overdue=False)
    assert hint.due(3, overdue=True)


async def delivered(bell: CeleryDoorbell, redis: "Redis", seconds: float) -> int:
    """Ring without a pause, take each message at once, and return how many came."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        bell.ring()
        count += redis.lpop(queue_name("storm")) is not None
        await asyncio.sleep(0)
    bell.close()
    return count


@pytest.mark.parametrize(
    ("least", "holds"), [(0.1, lambda count: count <= 12), (0.0, lambda count: count > 12)]
)
async def test_rings_are_bounded_however_many_jobs_are_enqueued(
    valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
    least: float,
    holds: Callable[[int], bool],
) -> None:
    """The second is the positive control: without the pause there are more."""
    monkeypatch.setattr(celery_doorbell, "LEAST_SECONDS", least)
    with Redis.from_url(valkey.url()) as redis:
        count = await delivered(CeleryDoorbell("storm", valkey.url()), redis, 1.0)
    assert holds(count)
    assert count > 1


async def test_a_job_that_fails_at_once_comes_back_later_and_later(bench: Bench) -> None:
    began: list[float] = []

    async def fail(_: Job) -> None:
        began.append(time.monotonic())
        raise ValueError

    await bench.enqueue()
    doing = bench.doing(fail, first_delay=0.1, max_attempts=5)
    async with bench.worker(doing, poll_seconds=0.001).running():
        await bench.until_states("failed")
    gaps = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert len(gaps) == 4
    for place, gap in enumerate(gaps):
        assert gap >= 0.1 * 2**place / 2
