from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.jobs.tests.job_bench import Bench
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_jobs import Job, JobQueue


class CountingDoorbell:
    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


async def test_commit_enqueues_and_rings(bench: Bench) -> None:
    doorbell = CountingDoorbell()
    queue = JobQueue("work", doorbell)
    async with bench.database.system("test") as tx:
        job_id = await queue.enqueue(tx, "work", {"run_id": "7"})
        assert doorbell.rings == 0
    row = await bench.row()
    assert (row.id, row.payload, row.state) == (job_id, {"run_id": "7"}, "queued")
    assert doorbell.rings == 1


async def test_rollback_enqueues_nothing(bench: Bench) -> None:
    doorbell = CountingDoorbell()
    with suppress(RuntimeError):
        async with bench.database.system("test") as tx:
            await JobQueue("work", doorbell).enqueue(tx, "work", {})
            raise RuntimeError
    assert await bench.rows() == []
    assert doorbell.rings == 0


@pytest.mark.parametrize("kind", ["tenant", "user"])
async def test_every_kind_of_transaction_can_enqueue(bench: Bench, kind: str) -> None:
    async with getattr(bench.database, kind)(uuid7()) as tx:
        await bench.queue.enqueue(tx, "work", {})
    assert await bench.states() == ["queued"]


async def test_one_dedupe_key_is_one_job_at_the_earlier_time(bench: Bench) -> None:
    later = clock.now() + timedelta(hours=1)
    first = await bench.enqueue(dedupe_key="k", run_at=later)
    second = await bench.enqueue(dedupe_key="k", run_at=later - timedelta(minutes=1))
    assert first == second
    assert (await bench.row()).run_at == later - timedelta(minutes=1)


async def test_dedupe_keys_of_different_types_do_not_meet(bench: Bench) -> None:
    await bench.enqueue("one", dedupe_key="k")
    await bench.enqueue("two", dedupe_key="k")
    assert len(await bench.rows()) == 2


async def test_a_dedupe_key_is_free_again_once_its_job_has_begun(bench: Bench) -> None:
    async def announce_more(job: Job) -> None:
        if job.id == first:
            await bench.enqueue(dedupe_key="k")

    first = await bench.enqueue(dedupe_key="k")
    async with bench.worker(bench.doing(announce_more)).running():
        await bench.until_states("succeeded", "succeeded")


async def test_a_job_joined_by_an_open_transaction_waits_for_its_commit(bench: Bench) -> None:
    await bench.enqueue(dedupe_key="k")
    async with bench.database.system("test") as tx:
        await bench.queue.enqueue(tx, "work", {}, dedupe_key="k")
        await bench.enqueue()
        async with bench.worker(bench.doing()).running():
            await bench.until_states("queued", "succeeded")
    async with bench.worker(bench.doing()).running():
        await bench.until_states("succeeded", "succeeded")


async def test_a_job_is_not_done_before_its_time(bench: Bench) -> None:
    await bench.enqueue(run_at=clock.now() + timedelta(hours=1))
    await bench.enqueue()
    async with bench.worker(bench.doing()).running():
        await bench.until_states("queued", "succeeded")


async def test_a_job_of_an_unknown_type_is_left_for_another_version(bench: Bench) -> None:
    await bench.enqueue("new", org_id=uuid4())
    await bench.enqueue()
    async with bench.worker(bench.doing()).running():
        await bench.until_states("queued", "succeeded")
