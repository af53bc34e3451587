import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from libs.jobs.tests.job_bench import Bench, note
from tenon_db.transaction import Transaction
from tenon_jobs import Job, LeaseLost
from tenon_jobs.repository import JobRepository, Wanted


async def forever(_: Job) -> None:
    await asyncio.Event().wait()


async def claim(bench: Bench, lease_seconds: float) -> Job:
    """Claim as a worker that does nothing more."""
    async with bench.database.system("jobs") as tx:
        wanted = Wanted("work", lease_seconds, organization_concurrency=None)
        (claimed,) = await JobRepository(tx, bench.queue.table).claim([wanted], 1)
    return Job.of(claimed, bench.queue.table)


async def steal(bench: Bench) -> None:
    """Let the leases of all running jobs be over, as seen by the sweepers of others."""
    async with bench.database.system("test") as tx:
        await tx.execute(sa.text("UPDATE work.jobs SET token = token + 1 WHERE state = 'running'"))


async def test_a_lease_is_extended_while_the_handler_works(bench: Bench) -> None:
    finish = asyncio.Event()

    async def work(_: Job) -> None:
        await finish.wait()

    await bench.enqueue()
    async with bench.worker(bench.doing(work, lease_seconds=0.3)).running():
        await bench.began.get()
        first = (await bench.row()).lease_until

        async def extended_often() -> bool:
            return bool((await bench.row()).lease_until - first > timedelta(seconds=1))

        await bench.until(extended_often)
        finish.set()
        await bench.until_states("succeeded")
    assert bench.began.empty()


async def test_a_job_whose_worker_vanished_is_done_by_another(bench: Bench) -> None:
    await bench.enqueue()
    await claim(bench, lease_seconds=0.05)
    async with bench.worker(bench.doing()).running():
        await bench.until_states("succeeded")
    assert (await bench.row()).token == 2


async def test_the_late_worker_can_write_nothing(bench: Bench) -> None:
    await bench.enqueue()
    late = await claim(bench, lease_seconds=0.05)
    async with bench.worker().running():
        await bench.until_states("queued")
    await make_due(bench)
    await claim(bench, lease_seconds=30)
    with pytest.raises(LeaseLost):  # noqa: PT012 # the whole transaction is the point
        async with bench.database.system("test") as tx:
            await note(tx, "late")
            await late.complete(tx)
    assert (await bench.states(), await bench.effects()) == (["running"], [])


async def test_a_handler_is_cancelled_when_its_lease_is_lost(bench: Bench) -> None:
    cancelled: asyncio.Queue[bool] = asyncio.Queue()

    async def work(job: Job) -> None:
        try:
            await forever(job)
        finally:
            await cancelled.put(job.lost)

    await bench.enqueue()
    async with bench.worker(bench.doing(work, lease_seconds=0.3)).running():
        await bench.began.get()
        await steal(bench)
        assert await cancelled.get()
    assert (await bench.row()).attempts == 0


async def lose_thrice(bench: Bench) -> None:
    await bench.enqueue()
    for _ in range(3):
        await make_due(bench)
        await claim(bench, lease_seconds=0.01)
        await bench.until(lambda: not_running(bench))


async def test_what_is_lost_again_and_again_is_quarantined(bench: Bench) -> None:
    worker = bench.worker(bench.doing(), concurrency=0)
    async with worker.running():
        await lose_thrice(bench)
    row = await bench.row()
    assert (row.state, row.claims, row.attempts) == ("quarantined", 3, 0)


async def test_what_follows_from_failing_follows_from_quarantine_too(bench: Bench) -> None:
    async def mark(tx: Transaction, _: Job, error: str) -> None:
        await note(tx, error)

    worker = bench.worker(bench.doing(on_failed=mark), concurrency=0)
    async with worker.running():
        await lose_thrice(bench)
    assert await bench.effects() == ["its worker stopped without an outcome"]


async def test_a_recorded_attempt_is_no_step_towards_quarantine(bench: Bench) -> None:
    await bench.enqueue()
    for _ in range(4):
        await make_due(bench)
        job = await claim(bench, lease_seconds=30)
        async with bench.database.system("test") as tx:
            await JobRepository(tx, bench.queue.table).retry(job.id, job.token, 0, "again")
    row = await bench.row()
    assert (row.state, row.claims, row.attempts) == ("queued", 0, 4)


async def not_running(bench: Bench) -> bool:
    return await bench.states() != ["running"]


async def make_due(bench: Bench) -> None:
    async with bench.database.system("test") as tx:
        await tx.execute(sa.text("UPDATE work.jobs SET run_at = now()"))
