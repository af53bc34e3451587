import asyncio
from collections import Counter

from libs.jobs.tests.job_bench import Bench, note
from tenon_core.ids import uuid7
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType
from tenon_jobs.repository import Claim, JobRepository, Wanted


async def begun(bench: Bench, count: int) -> list[Job]:
    async with asyncio.timeout(30):
        return [await bench.began.get() for _ in range(count)]


async def forever(_: Job) -> None:
    await asyncio.Event().wait()


async def test_two_workers_never_run_one_job_at_once(bench: Bench) -> None:
    async with bench.database.system("test") as tx:
        for _ in range(300):
            await bench.queue.enqueue(tx, "work", {})

    async def work(job: Job) -> None:
        async with bench.database.system("test") as tx:
            await note(tx, str(job.id))
            await job.complete(tx)

    first, second = (bench.worker(bench.doing(work), concurrency=4) for _ in range(2))
    async with first.running(), second.running():
        await bench.until_states(*["succeeded"] * 300)
    assert set(Counter(await bench.effects()).values()) == {1}
    assert len(await bench.effects()) == 300


async def test_no_more_run_at_once_than_there_are_slots(bench: Bench) -> None:
    running, peak = 0, 0

    async def count(_: Job) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1

    for _ in range(20):
        await bench.enqueue()
    async with bench.worker(bench.doing(count), concurrency=3).running():
        await bench.until_states(*["succeeded"] * 20)
    assert peak == 3


async def test_an_organization_with_many_jobs_does_not_delay_another(bench: Bench) -> None:
    flooding, neighbour = uuid7(), uuid7()
    async with bench.database.system("test") as tx:
        for _ in range(200):
            await bench.queue.enqueue(tx, "work", {}, org_id=flooding)
        await bench.queue.enqueue(tx, "work", {}, org_id=neighbour)
    worker = bench.worker(bench.doing(forever), concurrency=2, grace_seconds=0)
    async with worker.running():
        jobs = await begun(bench, 2)
    assert {job.org_id for job in jobs} == {flooding, neighbour}


async def test_slots_that_an_organization_holds_count_against_it(bench: Bench) -> None:
    busy, idle = uuid7(), uuid7()
    await bench.enqueue(org_id=busy)
    options = {"concurrency": 1, "grace_seconds": 0}
    async with bench.worker(bench.doing(forever), **options).running():
        await begun(bench, 1)
        await bench.enqueue(org_id=busy)
        await bench.enqueue(org_id=idle)
        async with bench.worker(bench.doing(forever), **options).running():
            (job,) = await begun(bench, 1)
            assert job.org_id == idle


async def test_an_organization_at_its_limit_leaves_slots_to_others(bench: Bench) -> None:
    flooding, neighbour = uuid7(), uuid7()
    for _ in range(5):
        await bench.enqueue(org_id=flooding)
    limited = bench.doing(forever, concurrency=2, organization_concurrency=1)
    async with bench.worker(limited, grace_seconds=0).running():
        await begun(bench, 1)
        await bench.enqueue(org_id=neighbour)
        (job,) = await begun(bench, 1)
        assert job.org_id == neighbour
        assert Counter(await bench.states()) == {"running": 2, "queued": 4}


async def test_without_a_limit_an_organization_may_take_every_slot(bench: Bench) -> None:
    flooding = uuid7()
    for _ in range(2):
        await bench.enqueue(org_id=flooding)
    async with bench.worker(bench.doing(forever, concurrency=2), grace_seconds=0).running():
        await begun(bench, 2)


async def test_what_another_worker_takes_at_the_same_time_counts(bench: Bench) -> None:
    org_id = uuid7()
    for _ in range(2):
        await bench.enqueue(org_id=org_id)
    async with bench.database.system("jobs") as tx:
        assert len(await claimed(bench, tx)) == 1
        beside = asyncio.create_task(claimed_alone(bench))
        done, _ = await asyncio.wait({beside}, timeout=0.3)
        assert not done
    assert await beside == []


async def claimed(bench: Bench, tx: Transaction) -> list[Claim]:
    """Claim as a worker with two slots, of which an organization may have one."""
    wanted = Wanted("work", 30, organization_concurrency=1)
    return await JobRepository(tx, bench.queue.table).claim([wanted], 2)


async def claimed_alone(bench: Bench) -> list[Claim]:
    async with bench.database.system("jobs") as tx:
        return await claimed(bench, tx)


async def test_a_smaller_priority_is_sooner_within_an_organization(bench: Bench) -> None:
    org_id = uuid7()
    for priority in (5, -1, 0):
        await bench.enqueue(org_id=org_id, priority=priority)
    worker = bench.worker(bench.doing(), concurrency=1)
    async with worker.running():
        jobs = await begun(bench, 3)
    priorities = {row.id: row.priority for row in await bench.rows()}
    assert [priorities[job.id] for job in jobs] == [-1, 0, 5]


async def test_a_type_with_slots_of_its_own_does_not_hold_up_the_others(bench: Bench) -> None:
    slow = JobType("slow", forever, concurrency=1)
    for _ in range(3):
        await bench.enqueue("slow")
    await bench.enqueue()
    worker = bench.worker(slow, bench.doing(), concurrency=1, grace_seconds=0)
    async with worker.running():
        await bench.until_states("running", "queued", "queued", "succeeded")


async def test_many_organizations_are_all_served(bench: Bench) -> None:
    async with bench.database.system("test") as tx:
        for _ in range(250):
            await bench.queue.enqueue(tx, "work", {}, org_id=uuid7())
    async with bench.worker(bench.doing()).running():
        await bench.until_states(*["succeeded"] * 250)
