"""Events are kept for a time; who comes later than that is told so."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update

from libs.db.tests.conftest import SCHEMA, migrated
from libs.db.tests.test_feed import OwnFeed, publish
from tenon_core import clock
from tenon_db import retention
from tenon_db.cursors import Consumer
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.feed import CursorTooOld, Feed, FeedEvent, Sequencer
from tenon_db.retention import delete_old_events
from tenon_db.tables import outbox_of
from tenon_db.transaction import Transaction
from tenon_testing.servers import Servers

KIND = "noted"
MONTH = timedelta(days=30)


@pytest.fixture
async def kept(servers: Servers, doorbell: Doorbell) -> AsyncIterator[Database]:
    """A database of its own: its events are deleted."""
    pool = Database(migrated(servers), schema=SCHEMA, doorbell=doorbell, pool_size=2)
    yield pool
    await pool.close()


async def published(database: Database, count: int, age: timedelta = timedelta(0)) -> None:
    """Publish events that happened so long ago."""
    outbox = outbox_of(SCHEMA)
    await publish(database, KIND, count)
    async with database.system("test") as tx:
        fresh = update(outbox).where(outbox.c.position.is_(None))
        await tx.execute(fresh.values(event_time=clock.now() - age))
    await Sequencer(database).advance()


async def positions(database: Database) -> list[int]:
    outbox = outbox_of(SCHEMA)
    async with database.system("test") as tx:
        rows = await tx.rows(select(outbox.c.position).order_by(outbox.c.position))
    return [row.position for row in rows]


class Seen:
    """A consumer that remembers what it handled."""

    def __init__(self, database: Database, name: str = "source") -> None:
        self.name = name
        self.positions: list[int] = []
        self.consumer = Consumer(database, OwnFeed(database, name), {KIND: self._handle})

    async def _handle(self, _: Transaction, events: Sequence[FeedEvent]) -> None:
        self.positions += [event.position for event in events]

    def metric(self, name: str) -> float | None:
        labels = {"service": SCHEMA, "source": self.name}
        return REGISTRY.get_sample_value(f"tenon_feed_{name}", labels)


async def test_only_events_past_their_time_are_deleted(kept: Database) -> None:
    await published(kept, 3, MONTH + timedelta(minutes=1))
    await published(kept, 2, MONTH - timedelta(minutes=1))
    assert await delete_old_events(kept, MONTH) == 3
    assert await positions(kept) == [4, 5]
    assert await delete_old_events(kept, MONTH) == 0


async def test_an_old_event_behind_a_young_one_stays(kept: Database) -> None:
    await published(kept, 1)
    await published(kept, 1, 2 * MONTH)
    assert await delete_old_events(kept, MONTH) == 0
    assert await positions(kept) == [1, 2]


async def test_what_has_no_position_yet_stays(kept: Database) -> None:
    await publish(kept, KIND)
    async with kept.system("test") as tx:
        await tx.execute(update(outbox_of(SCHEMA)).values(event_time=clock.now() - 2 * MONTH))
    assert await delete_old_events(kept, MONTH) == 0


async def test_each_batch_is_small(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await published(kept, 5, 2 * MONTH)
    assert [await delete_old_events(kept, MONTH) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_position_whose_next_events_are_gone_is_refused(kept: Database) -> None:
    await published(kept, 3, 2 * MONTH)
    await published(kept, 1)
    await delete_old_events(kept, MONTH)
    with pytest.raises(CursorTooOld):
        await Feed(kept).pull(2, [KIND], 10)
    events, _ = await Feed(kept).pull(3, [KIND], 10)
    assert [event.position for event in events] == [4]


async def test_a_consumer_that_had_seen_all_of_them_goes_on(kept: Database) -> None:
    seen = Seen(kept)
    await published(kept, 3, 2 * MONTH)
    await seen.consumer.advance()
    await delete_old_events(kept, MONTH)
    await published(kept, 1)
    await seen.consumer.advance()
    assert seen.positions == [1, 2, 3, 4]


async def test_a_lost_cursor_stands_still_and_raises_an_alarm(kept: Database) -> None:
    seen = Seen(kept, "lost")
    await published(kept, 1, 2 * MONTH)
    await seen.consumer.advance()
    await published(kept, 2, 2 * MONTH)
    await delete_old_events(kept, MONTH)
    await published(kept, 1)
    await seen.consumer._catch_up()
    assert seen.positions == [1]
    assert seen.metric("cursor_lost") == 1


async def test_a_new_consumer_begins_with_the_oldest_event_that_is_kept(kept: Database) -> None:
    seen = Seen(kept, "new")
    await published(kept, 3, 2 * MONTH)
    await published(kept, 2)
    await delete_old_events(kept, MONTH)
    await seen.consumer._catch_up()
    assert seen.positions == [4, 5]
    assert seen.metric("cursor_lost") == 0


async def test_the_lag_is_told_in_positions_and_seconds(kept: Database) -> None:
    seen = Seen(kept, "lag")
    await published(kept, 1, timedelta(seconds=500))
    await published(kept, 2, timedelta(seconds=100))
    await seen.consumer.measure()
    assert seen.metric("lag_positions") == 3
    assert 500 <= (seen.metric("lag_seconds") or 0) < 560
    await seen.consumer.advance()
    await seen.consumer.measure()
    assert (seen.metric("lag_positions"), seen.metric("lag_seconds")) == (0, 0)
