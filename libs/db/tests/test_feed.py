import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_db.cursors import Consumer
from tenon_db.database import Database
from tenon_db.feed import Feed, FeedEvent, Sequencer, Stand
from tenon_db.transaction import Transaction


class OwnFeed:
    """The feed of the same database, without gRPC in between."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._feed = Feed(database)

    async def pull(
        self, after: int, types: Sequence[str], limit: int
    ) -> tuple[Sequence[FeedEvent], int]:
        return await self._feed.pull(after, types, limit)

    async def stand(self, after: int) -> Stand:
        return await self._feed.stand(after)


async def publish(database: Database, kind: str, count: int = 1) -> None:
    async with database.system("test") as tx:
        await tx.publish(*(Event(kind, b"") for _ in range(count)))


async def test_positions_are_dense_whatever_the_order_of_commits(database: Database) -> None:
    kind = str(uuid7())
    await Sequencer(database).advance()
    _, start = await Feed(database).pull(0, [], 1)
    await asyncio.gather(*(publish(database, kind) for _ in range(20)))
    await asyncio.gather(*(Sequencer(database).advance() for _ in range(3)))
    events, next_position = await Feed(database).pull(start, [kind], 100)
    assert [event.position for event in events] == list(range(start + 1, start + 21))
    assert next_position == start + 20


async def test_a_rolled_back_event_is_never_seen(database: Database) -> None:
    kind = str(uuid7())

    async def publish_and_fail() -> None:
        async with database.system("test") as tx:
            await tx.publish(Event(kind, b""))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await publish_and_fail()
    await Sequencer(database).advance()
    assert (await Feed(database).pull(0, [kind], 100))[0] == []


async def test_two_replicas_of_a_consumer_have_each_effect_once(database: Database) -> None:
    kind = str(uuid7())
    effect = f"effect of {kind}"
    await publish(database, kind, 30)
    await Sequencer(database).advance()

    async def handle(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        await tx.publish(*(Event(effect, b"") for _ in events))

    consumers = [Consumer(database, OwnFeed(database, kind), {kind: handle}) for _ in range(2)]
    await consumers[0].advance()
    await publish(database, kind, 30)
    await Sequencer(database).advance()
    await asyncio.gather(*(consumer.advance() for consumer in consumers), return_exceptions=True)
    await Sequencer(database).advance()
    effects, _ = await Feed(database).pull(0, [effect], 100)
    assert len(effects) == 60


async def test_a_failing_handler_moves_nothing(database: Database) -> None:
    kind = str(uuid7())
    await publish(database, kind)
    await Sequencer(database).advance()
    attempts: list[int] = []

    async def fail_once(tx: Transaction, events: Sequence[FeedEvent]) -> None:  # noqa: ARG001 # a handler's signature
        attempts.append(events[0].position)
        if len(attempts) == 1:
            raise ZeroDivisionError

    consumer = Consumer(database, OwnFeed(database, kind), {kind: fail_once})
    with pytest.raises(ZeroDivisionError):
        await consumer.advance()
    await consumer.advance()
    await consumer.advance()
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]


async def test_a_handler_gets_events_of_one_organization_together(database: Database) -> None:
    kind, one, two = str(uuid7()), uuid7(), uuid7()
    for org_id in (one, one, two, one):
        async with database.tenant(org_id) as tx:
            await tx.publish(Event(kind, b"", org_id=org_id))
    await Sequencer(database).advance()
    seen: list[tuple[UUID | None, int]] = []

    async def handle(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        assert {event.org_id for event in events} == {tx.org_id}
        seen.append((tx.org_id, len(events)))

    await Consumer(database, OwnFeed(database, kind), {kind: handle}).advance()
    assert seen == [(one, 2), (two, 1), (one, 1)]
