from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from libs.jobs.tests.job_bench import Bench
from tenon_core import clock
from tenon_jobs import GiveUp, Job, SilentDoorbell, repository
from tenon_jobs.sweeper import Sweeper


async def swept(bench: Bench) -> None:
    types = [bench.doing()]
    sweeper = Sweeper(bench.database, bench.queue.table, types, SilentDoorbell(), seconds=1)
    await sweeper.sweep()


def depth(job_type: str, state: str) -> float | None:
    labels = {"service": "work", "type": job_type, "state": state}
    return REGISTRY.get_sample_value("tenon_jobs_depth", labels)


def oldest(job_type: str) -> float:
    labels = {"service": "work", "type": job_type}
    return REGISTRY.get_sample_value("tenon_jobs_oldest_due_seconds", labels) or 0.0


async def test_depth_and_age_are_told_by_type(bench: Bench) -> None:
    await bench.enqueue("one", run_at=clock.now() - timedelta(seconds=500))
    await bench.enqueue("one", run_at=clock.now() + timedelta(hours=1))
    await bench.enqueue("two", run_at=clock.now() - timedelta(seconds=100))
    await swept(bench)
    assert (depth("one", "queued"), depth("two", "queued"), depth("work", "queued")) == (2, 1, 0)
    assert 500 <= oldest("one") < 560
    assert 100 <= oldest("two") < 160


async def test_what_failed_is_counted(bench: Bench) -> None:
    async def hopeless(_: Job) -> None:
        raise GiveUp("no")

    await bench.enqueue()
    async with bench.worker(bench.doing(hopeless)).running():
        await bench.until_states("failed")
    await swept(bench)
    assert (depth("work", "failed"), depth("work", "queued")) == (1, 0)


async def test_what_is_gone_is_shown_as_none(bench: Bench) -> None:
    await bench.enqueue()
    sweeper = Sweeper(bench.database, bench.queue.table, [], SilentDoorbell(), seconds=1)
    await sweeper.sweep()
    assert depth("work", "queued") == 1
    async with bench.worker(bench.doing()).running():
        await bench.until_states("succeeded")
    await sweeper.sweep()
    assert depth("work", "queued") == 0


async def test_no_more_are_counted_than_so_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MOST_COUNTED", 5)
    for _ in range(8):
        await bench.enqueue()
    await swept(bench)
    assert depth("work", "queued") == 5
