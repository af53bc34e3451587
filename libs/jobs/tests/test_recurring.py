import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from libs.jobs.tests.job_bench import Bench
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_jobs import Recurring, recurring_repository
from tenon_jobs.recurring import following
from tenon_jobs.recurring_repository import RecurringRepository
from tenon_jobs.timetable import Timetable

HALF_A_DAY_AGO = clock.now() - timedelta(hours=12)
# Far from any of its fire times, so that none comes in the middle of a test.
DAILY = Recurring("daily", f"{HALF_A_DAY_AGO:%M %H} * * *", "work")
DAY = timedelta(days=1)
BERLIN = "Europe/Berlin"


def timetable(bench: Bench, *schedules: Recurring) -> Timetable:
    return Timetable(bench.database, bench.queue, schedules or (DAILY,), seconds=0.05)


async def fired_until(bench: Bench, ago: timedelta, name: str = "daily") -> datetime:
    """Let a schedule have been fired for the last time so long ago."""
    moment = clock.now() - ago
    async with bench.database.system("test") as tx:
        await tx.execute(
            sa.text(
                "INSERT INTO work.recurring VALUES (:name, '', '', '', :until)"
                " ON CONFLICT (name) DO UPDATE SET fired_until = :until"
            ),
            {"name": name, "until": moment},
        )
    return moment


async def test_a_new_schedule_begins_now(bench: Bench) -> None:
    await timetable(bench, Recurring("yearly", "0 0 1 1 *", "work")).tick()
    assert await bench.rows() == []


async def test_a_due_time_becomes_a_job_that_names_it(bench: Bench) -> None:
    since = await fired_until(bench, DAY)
    await timetable(bench).tick()
    row = await bench.row()
    fire_time = following(DAILY.cron, "UTC", since)
    assert row.payload == {"schedule": "daily", "fire_time": fire_time.isoformat()}
    assert row.type == "work"


async def test_a_worker_fires_and_does_it(bench: Bench) -> None:
    await fired_until(bench, DAY)
    async with bench.worker(bench.doing(), recurring=[DAILY]).running():
        job = await bench.began.get()
        await bench.until_states("succeeded")
    assert job.payload["schedule"] == "daily"


async def test_what_was_missed_is_fired_once(bench: Bench) -> None:
    await fired_until(bench, 3 * DAY)
    for _ in range(3):
        await timetable(bench).tick()
    assert len(await bench.rows()) == 1


async def test_ten_workers_fire_it_once(bench: Bench) -> None:
    await fired_until(bench, DAY)
    await asyncio.gather(*(timetable(bench).tick() for _ in range(10)))
    assert len(await bench.rows()) == 1


async def test_a_crash_before_the_commit_fires_nothing_and_the_next_worker_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fire_and_crash(self: Any, *fire: Any) -> bool:
        await original(self, *fire)
        raise ZeroDivisionError

    await fired_until(bench, DAY)
    original = RecurringRepository.fire
    with monkeypatch.context() as patched:
        patched.setattr(RecurringRepository, "fire", fire_and_crash)
        with pytest.raises(ZeroDivisionError):
            await timetable(bench).tick()
    assert await bench.rows() == []
    await timetable(bench).tick()
    assert len(await bench.rows()) == 1


async def test_a_clock_that_is_set_back_repeats_nothing(bench: Bench) -> None:
    """To the schedule, a clock set back is a last time that lies ahead."""
    await fired_until(bench, -DAY)
    await timetable(bench).tick()
    assert await bench.rows() == []


async def test_a_time_that_was_fired_is_not_fired_again_by_a_lost_position(bench: Bench) -> None:
    since = await fired_until(bench, DAY)
    await timetable(bench).tick()
    await fired_until(bench, clock.now() - since)
    await timetable(bench).tick()
    assert len(await bench.rows()) == 1


async def test_control_with_ids_by_chance_it_would_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurring_repository, "fire_id", lambda *_: uuid7())
    since = await fired_until(bench, DAY)
    await timetable(bench).tick()
    await fired_until(bench, clock.now() - since)
    await timetable(bench).tick()
    assert len(await bench.rows()) == 2


async def test_only_what_a_worker_knows_is_fired_by_it(bench: Bench) -> None:
    await fired_until(bench, DAY, name="of another version")
    await timetable(bench, Recurring("yearly", "0 0 1 1 *", "work")).tick()
    assert await bench.rows() == []


@pytest.mark.parametrize(
    ("cron", "after", "fires"),
    [
        # 02:30 is skipped on 31 March 2024: it fires at 03:00, once.
        ("30 2 * * *", "2024-03-30T12:00", ["2024-03-31T01:00", "2024-04-01T00:30"]),
        # 02:30 comes twice on 27 October 2024: it fires the first time, once.
        ("30 2 * * *", "2024-10-26T12:00", ["2024-10-27T00:30", "2024-10-28T01:30"]),
        ("30 2 * * *", "2024-10-27T01:15", ["2024-10-28T01:30"]),
        ("15,45 2 * * *", "2024-03-30T12:00", ["2024-03-31T01:00", "2024-04-01T00:15"]),
        # What comes each half hour goes on doing so.
        ("*/30 * * * *", "2024-03-31T00:15", ["2024-03-31T00:30", "2024-03-31T01:00"]),
        ("*/30 * * * *", "2024-10-27T00:45", ["2024-10-27T01:00", "2024-10-27T01:30"]),
        ("0 9 * * MON", "2024-03-29T12:00", ["2024-04-01T07:00"]),
    ],
)
def test_fire_times_go_by_the_clock_of_their_zone(
    cron: str, after: str, fires: Sequence[str]
) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    for expected in fires:
        moment = following(cron, BERLIN, moment)
        assert f"{moment:%Y-%m-%dT%H:%M}" == expected


@pytest.mark.parametrize(
    ("cron", "zone"),
    [("* * * *", "UTC"), ("60 * * * *", "UTC"), ("0 0 31 2 *", "UTC"), ("* * * * *", "Mars/Base")],
)
def test_a_schedule_that_can_never_fire_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(ValueError, match=r"cron|zone|fires"):
        Recurring("broken", cron, "work", zone)
