"""Slots for jobs are divided by the account that owns an organization."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from libs.jobs.tests.job_bench import Bench
from tenon_core.accounts import acting_for
from tenon_core.errors import LimitExceeded
from tenon_core.ids import uuid7
from tenon_core.limits import Limit, Per, define
from tenon_jobs import Job, QueueLimits, YieldSlot

SLOTS = 2
ORGANIZATIONS = 5
ROOM = QueueLimits(
    define(Limit("test_jobs_per_organization", "the jobs of a test", Per.ORGANIZATION)),
    2,
    define(Limit("test_jobs_per_account", "the jobs of a test", Per.ACCOUNT)),
    3,
)


async def enqueue(bench: Bench, account_id: UUID, **options: Any) -> UUID:
    """Add a job of a new organization of an account."""
    with acting_for(account_id):
        return await bench.enqueue(**{"org_id": uuid7(), **options})


async def test_an_account_with_many_organizations_gets_its_share(bench: Bench) -> None:
    hostile, other, released = uuid7(), uuid7(), asyncio.Event()

    async def wait(_: Job) -> None:
        await released.wait()

    for _ in range(ORGANIZATIONS):
        await enqueue(bench, hostile)
    kind = bench.doing(wait, account_concurrency=1)
    async with bench.worker(kind, concurrency=SLOTS).running():
        assert (await bench.began.get()).account_id == hostile
        await enqueue(bench, other)
        async with asyncio.timeout(5):
            assert (await bench.began.get()).account_id == other
        assert (await bench.states()).count("running") == SLOTS
        released.set()
        await bench.until_states(*["succeeded"] * (ORGANIZATIONS + 1))


async def test_the_account_that_waited_longest_is_next(bench: Bench) -> None:
    """Its jobs were enqueued last, after many of an account that was served before."""
    hostile, other = uuid7(), uuid7()
    for _ in range(ORGANIZATIONS):
        await enqueue(bench, hostile)
    await enqueue(bench, other)
    kind = bench.doing(account_concurrency=1)
    async with bench.worker(kind, concurrency=1).running():
        await bench.until_states(*["succeeded"] * (ORGANIZATIONS + 1))
    began = [bench.began.get_nowait().account_id for _ in range(ORGANIZATIONS + 1)]
    assert began.index(other) == 1


async def test_a_job_that_yields_goes_on_after_the_others_without_an_attempt(bench: Bench) -> None:
    long, other, began = uuid7(), uuid7(), list[tuple[UUID | None, int]]()

    async def work(job: Job) -> None:
        began.append((job.account_id, job.attempt))
        while job.account_id == long and len(began) == 1:
            async with bench.database.system("test") as tx:
                if await job.others_wait(tx):
                    raise YieldSlot

    await enqueue(bench, long)
    async with bench.worker(bench.doing(work, account_concurrency=1), concurrency=1).running():
        await bench.began.get()
        await enqueue(bench, other)
        await bench.until_states("succeeded", "succeeded")
    assert began == [(long, 1), (other, 1), (long, 1)]


async def test_nobody_yields_to_jobs_of_the_same_account(bench: Bench) -> None:
    own, waits = uuid7(), list[bool]()

    async def look(job: Job) -> None:
        async with bench.database.system("test") as tx:
            waits.append(await job.others_wait(tx))

    for _ in range(2):
        await enqueue(bench, own)
    async with bench.worker(bench.doing(look, account_concurrency=1), concurrency=1).running():
        await bench.until_states("succeeded", "succeeded")
    assert waits == [False, False]


async def test_a_full_queue_refuses_an_organization_and_an_account(bench: Bench) -> None:
    account_id, org_id = uuid7(), uuid7()
    for _ in range(2):
        await enqueue(bench, account_id, org_id=org_id, limits=ROOM)
    with pytest.raises(LimitExceeded) as refused:
        await enqueue(bench, account_id, org_id=org_id, limits=ROOM)
    assert refused.value.limit == "test_jobs_per_organization"
    await enqueue(bench, account_id, limits=ROOM)
    with pytest.raises(LimitExceeded) as refused:
        await enqueue(bench, account_id, limits=ROOM)
    assert refused.value.limit == "test_jobs_per_account"
    await enqueue(bench, uuid7(), limits=ROOM)


async def test_jobs_at_once_do_not_exceed_a_queue(bench: Bench) -> None:
    account_id = uuid7()
    ends = await asyncio.gather(
        *(enqueue(bench, account_id, limits=ROOM) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(end, UUID) for end in ends) == ROOM.of_account
