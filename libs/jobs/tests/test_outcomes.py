import asyncio

import pytest
import sqlalchemy as sa

from libs.jobs.tests.job_bench import Bench, note
from tenon_core import clock
from tenon_core.errors import Unavailable
from tenon_core.ids import uuid7
from tenon_db.transaction import Transaction
from tenon_jobs import GiveUp, Job, RetryLater
from tenon_jobs.backoff import delay

QUICK = {"first_delay": 0.0, "longest_delay": 0.0}


async def broken(_: Job) -> None:
    raise ValueError("no good")


async def test_returning_is_success(bench: Bench) -> None:
    await bench.enqueue()
    async with bench.worker(bench.doing()).running():
        await bench.until_states("succeeded")
    row = await bench.row()
    assert (row.finish_time is None, row.lease_until) == (False, None)


async def test_completing_commits_effects_and_outcome_together(bench: Bench) -> None:
    async def work(job: Job) -> None:
        async with bench.database.system("test") as tx:
            await note(tx, "done")
            await job.complete(tx)
            assert await bench.states() == ["running"]

    await bench.enqueue()
    async with bench.worker(bench.doing(work)).running():
        await bench.until_states("succeeded")
    assert await bench.effects() == ["done"]


async def test_an_error_before_the_commit_takes_the_effects_back(bench: Bench) -> None:
    async def work(job: Job) -> None:
        async with bench.database.system("test") as tx:
            await note(tx, f"attempt {job.attempt}")
            await job.complete(tx)
            if job.attempt == 1:
                raise RuntimeError

    await bench.enqueue()
    async with bench.worker(bench.doing(work, **QUICK)).running():
        await bench.until_states("succeeded")
    assert await bench.effects() == ["attempt 2"]


async def test_an_error_after_completion_changes_nothing(bench: Bench) -> None:
    async def work(job: Job) -> None:
        async with bench.database.system("test") as tx:
            await job.complete(tx)
        raise RuntimeError

    await bench.enqueue()
    async with bench.worker(bench.doing(work)).running():
        await bench.until_states("succeeded")
    assert (await bench.row()).attempts == 0


async def test_an_error_is_an_attempt_and_comes_again_later(bench: Bench) -> None:
    await bench.enqueue()
    async with bench.worker(bench.doing(broken, first_delay=100.0)).running():
        await bench.began.get()
        await bench.until_states("queued")
    row = await bench.row()
    assert (row.attempts, row.claims, row.last_error) == (1, 0, "ValueError")
    assert 45 < (row.run_at - clock.now()).total_seconds() <= 100


async def test_what_somebody_else_cannot_do_now_is_tried_again_and_its_reason_kept(
    bench: Bench,
) -> None:
    async def asks(_: Job) -> None:
        raise Unavailable("tenancy does not answer")

    await bench.enqueue()
    async with bench.worker(bench.doing(asks, first_delay=100.0)).running():
        await bench.began.get()
        await bench.until_states("queued")
    row = await bench.row()
    assert (row.attempts, row.last_error) == (1, "unavailable")


async def test_retry_later_names_its_own_time(bench: Bench) -> None:
    async def busy(_: Job) -> None:
        raise RetryLater(1000, "the server is busy")

    await bench.enqueue()
    async with bench.worker(bench.doing(busy)).running():
        await bench.began.get()
        await bench.until_states("queued")
    row = await bench.row()
    assert (row.attempts, row.last_error) == (1, "the server is busy")
    assert 990 < (row.run_at - clock.now()).total_seconds() <= 1000


async def test_the_last_attempt_fails_it(bench: Bench) -> None:
    await bench.enqueue()
    async with bench.worker(bench.doing(broken, max_attempts=3, **QUICK)).running():
        await bench.until_states("failed")
    row = await bench.row()
    assert (row.attempts, row.last_error) == (3, "ValueError")
    assert bench.began.qsize() == 3


async def test_giving_up_fails_it_at_once(bench: Bench) -> None:
    async def hopeless(_: Job) -> None:
        raise GiveUp("no such address")

    await bench.enqueue()
    async with bench.worker(bench.doing(hopeless)).running():
        await bench.until_states("failed")
    assert (await bench.row()).last_error == "no such address"


async def test_what_follows_from_failing_is_written_in_its_tenants_transaction(
    bench: Bench,
) -> None:
    org_id = uuid7()

    async def mark(tx: Transaction, job: Job, error: str) -> None:
        await tx.execute(
            sa.text("INSERT INTO work.runs VALUES (:org_id, :error)"),
            {"org_id": job.org_id, "error": error},
        )

    await bench.enqueue(org_id=org_id)
    work = bench.doing(broken, max_attempts=1, on_failed=mark)
    async with bench.worker(work).running():
        await bench.until_states("failed")
    async with bench.database.tenant(org_id) as tx:
        assert await tx.scalar(sa.text("SELECT state FROM work.runs")) == "ValueError"


async def test_a_handler_that_takes_too_long_is_an_attempt(bench: Bench) -> None:
    async def forever(_: Job) -> None:
        await asyncio.Event().wait()

    await bench.enqueue()
    work = bench.doing(forever, timeout_seconds=0.05, max_attempts=1)
    async with bench.worker(work).running():
        await bench.until_states("failed")
    assert (await bench.row()).last_error == "took longer than 0 s"


async def test_a_companion_that_fails_is_started_again(bench: Bench) -> None:
    starts: asyncio.Queue[None] = asyncio.Queue()

    async def companion() -> None:
        await starts.put(None)
        raise RuntimeError

    async with bench.worker(bench.doing(), beside=[companion]).running():
        await starts.get()
        await starts.get()


async def test_a_stopping_worker_lets_jobs_finish(bench: Bench) -> None:
    finish = asyncio.Event()

    async def work(_: Job) -> None:
        await finish.wait()

    await bench.enqueue()
    async with bench.worker(bench.doing(work)).running():
        await bench.began.get()
        asyncio.get_running_loop().call_soon(finish.set)
    assert await bench.states() == ["succeeded"]


async def test_a_stopping_worker_gives_back_what_does_not_finish(bench: Bench) -> None:
    async def forever(_: Job) -> None:
        await asyncio.Event().wait()

    await bench.enqueue()
    async with bench.worker(bench.doing(forever), grace_seconds=0.01).running():
        await bench.began.get()
        await bench.enqueue()
    rows = await bench.rows()
    assert {(row.state, row.attempts, row.claims) for row in rows} == {("queued", 0, 0)}


@pytest.mark.parametrize(("attempt", "longest"), [(1, 2.0), (2, 4.0), (5, 32.0), (99, 60.0)])
def test_delays_double_up_to_the_longest_less_at_most_half(attempt: int, longest: float) -> None:
    delays = [delay(attempt, first=2.0, longest=60.0) for _ in range(100)]
    assert longest / 2 <= min(delays)
    assert max(delays) <= longest
