from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from libs.jobs.tests.job_bench import Bench
from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import first_id, uuid7
from tenon_jobs import Keep, Upkeep, repository
from tenon_jobs.repository import JobRepository
from tenon_jobs.tables import State

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
KEEP = Keep(events=30 * DAY, succeeded=DAY, set_aside=90 * DAY)


async def finished(bench: Bench, state: str, age: timedelta) -> UUID:
    """Make a job that finished so long ago."""
    job_id, noise = await bench.enqueue(), uuid7().int & (2**62 - 1)
    made = clock.now() - age
    aged = UUID(int=first_id(made).int | noise)
    async with bench.database.system("test") as tx:
        await tx.execute(
            sa.update(bench.queue.table)
            .where(bench.queue.table.c.id == job_id)
            .values(id=aged, state=state, create_time=made, finish_time=made)
        )
    return aged


async def tidied(bench: Bench) -> set[UUID]:
    """Do the upkeep, and return which jobs are left."""
    upkeep = Upkeep(bench.database, bench.queue, KEEP)
    (kind,) = upkeep.types()
    await bench.enqueue(kind.name)
    async with bench.worker(kind).running():
        await bench.until(lambda: all_done(bench, kind.name))
    return {row.id for row in await bench.rows() if row.type != kind.name}


async def all_done(bench: Bench, name: str) -> bool:
    return [row.state for row in await bench.rows() if row.type == name] == ["succeeded"]


@pytest.mark.parametrize(
    ("state", "kept"), [("succeeded", DAY), ("failed", 90 * DAY), ("quarantined", 90 * DAY)]
)
async def test_finished_jobs_are_kept_for_a_time(bench: Bench, state: str, kept: timedelta) -> None:
    await finished(bench, state, kept + MINUTE)
    young = await finished(bench, state, kept - MINUTE)
    assert await tidied(bench) == {young}


async def test_what_is_not_finished_stays_however_old(bench: Bench) -> None:
    async with bench.database.system("test") as tx:
        job_id = await bench.queue.enqueue(tx, "work", {})
        old = first_id(clock.now() - 365 * DAY)
        await tx.execute(
            sa.update(bench.queue.table).where(bench.queue.table.c.id == job_id).values(id=old)
        )
    assert await tidied(bench) == {old}


async def test_a_batch_looks_at_so_many_rows_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DELETE_LIMIT", 2)
    for _ in range(5):
        await finished(bench, "succeeded", 2 * DAY)
    keep = {State.SUCCEEDED: DAY}
    async with bench.database.system("test") as tx:
        jobs = JobRepository(tx, bench.queue.table)
        _, deleted = await jobs.delete_finished(keep, after=None, before=clock.now())
    assert deleted == 2
    assert await tidied(bench) == set()


async def test_old_events_go_too(bench: Bench) -> None:
    async with bench.database.system("test") as tx:
        await tx.publish(Event("test", b""))
        outbox = sa.table("outbox", sa.column("event_time"), sa.column("position"), schema="work")
        month = 31 * DAY
        await tx.execute(sa.update(outbox).values(event_time=clock.now() - month, position=1))
    await tidied(bench)
    async with bench.database.system("test") as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(outbox)) == 0
