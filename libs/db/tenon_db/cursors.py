"""Consuming another service's feed: effects and cursor move in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_db import metrics
from tenon_db.database import Database
from tenon_db.doorbell import heard
from tenon_db.feed import CursorTooOld, FeedEvent, Stand
from tenon_db.tables import cursors_of, feed_bell
from tenon_db.transaction import Transaction

PULL_LIMIT = 500
POLL_SECONDS = 1.0
LOST_SECONDS = 60.0
"""Between looks, and alarms, while the cursor is lost."""
MEASURE_SECONDS = 10.0

Handler: TypeAlias = Callable[[Transaction, Sequence[FeedEvent]], Awaitable[None]]
"""Gets events of its type that follow each other; all of them in the transaction's scope."""

Scope: TypeAlias = tuple[UUID | None, UUID | None]

log = structlog.get_logger()


class Source(Protocol):
    """Where events come from: the feed of another service."""

    @property
    def name(self) -> str: ...

    async def pull(
        self, after: int, types: Sequence[str], limit: int
    ) -> tuple[Sequence[FeedEvent], int]: ...

    async def stand(self, after: int) -> Stand: ...


class Consumer:
    """Handles each wanted event of one source exactly once, in the order of positions.

    A handler gets a transaction in its events' own scope: their organization's, else their user's,
    else the system's. The cursor moves in the same transaction, so a crash repeats nothing and
    loses nothing. Several replicas may run: the cursor's row is locked and compared.

    A new consumer begins with the oldest event that is kept. One whose next events have been
    deleted stands still and raises an alarm, rather than skip them in silence.
    """

    def __init__(self, database: Database, source: Source, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._source = source
        self._handlers = handlers
        self._cursors = cursors_of(database.schema)
        self._labels = (database.schema, source.name)
        self._measured = float("-inf")

    async def run(self) -> None:
        """Go on until cancelled; what fails is tried again."""
        async with self._database.doorbell.listening(feed_bell(self._source.name)) as rung:
            while True:
                await heard(rung, within=await self._catch_up())

    async def _catch_up(self) -> float:
        """Handle all that is there; return the seconds to wait for more if no bell rings."""
        try:
            await self._measure_at_times()
            while await self.advance():
                await self._measure_at_times()
        except TenonError as error:
            if error.reason == CursorTooOld.reason:
                return self._lost()
            log.warning("feed stands still", source=self._source.name, error=error.detail)
        except Exception:
            log.exception("event not handled; it will be tried again", source=self._source.name)
        else:
            metrics.CURSOR_LOST.labels(*self._labels).set(0)
        return POLL_SECONDS

    def _lost(self) -> float:
        metrics.CURSOR_LOST.labels(*self._labels).set(1)
        log.error("cursor is lost: events after it have been deleted", source=self._source.name)
        return LOST_SECONDS

    async def _measure_at_times(self) -> None:
        now = clock.now().timestamp()
        if now - self._measured >= MEASURE_SECONDS:
            await self.measure()
            self._measured = now

    async def measure(self) -> None:
        """Set the metrics of how far this consumer is behind."""
        position = await self._position()
        stand, now = await self._source.stand(position), clock.now()
        waited = (now - stand.waiting_since).total_seconds() if stand.waiting_since else 0.0
        metrics.LAG_POSITIONS.labels(*self._labels).set(max(0, stand.head - position))
        metrics.LAG_SECONDS.labels(*self._labels).set(max(0.0, waited))
        metrics.MEASURED.labels(*self._labels).set(now.timestamp())

    async def advance(self) -> bool:
        """Handle what is there, up to one pull; return whether there may be more."""
        position = await self._position()
        events, next_position = await self._source.pull(
            position, sorted(self._handlers), PULL_LIMIT
        )
        for scope, group in groupby(events, key=_scope):
            position = await self._handle(scope, list(group), position)
        if next_position > position:
            async with self._database.system("feed") as tx:
                await self._move(tx, position, next_position)
        return len(events) == PULL_LIMIT

    async def _position(self) -> int:
        cursors = self._cursors
        async with self._database.system("feed") as tx:
            found: int | None = await tx.scalar(
                select(cursors.c.position).where(cursors.c.source == self._source.name)
            )
        return await self._begin() if found is None else found

    async def _begin(self) -> int:
        """Make the cursor, before the oldest event that is kept."""
        first = (await self._source.stand(0)).first
        async with self._database.system("feed") as tx:
            await tx.execute(
                insert(self._cursors)
                .values(source=self._source.name, position=first)
                .on_conflict_do_nothing()
            )
        return first

    async def _handle(self, scope: Scope, events: list[FeedEvent], position: int) -> int:
        async with self._in_scope(scope) as tx:
            await self._move(tx, position, events[-1].position)
            for kind, alike in groupby(events, key=attrgetter("type")):
                await self._handlers[kind](tx, list(alike))
        return events[-1].position

    def _in_scope(self, scope: Scope) -> AbstractAsyncContextManager[Transaction]:
        org_id, user_id = scope
        if org_id:
            return self._database.tenant(org_id)
        if user_id:
            return self._database.user(user_id)
        return self._database.system("feed")

    async def _move(self, tx: Transaction, position: int, target: int) -> None:
        """Move the cursor on; CursorMoved if another replica was quicker."""
        result = await tx.execute(
            update(self._cursors)
            .where(self._cursors.c.source == self._source.name)
            .where(self._cursors.c.position == position)
            .values(position=target)
        )
        if result.rowcount != 1:
            raise CursorMoved


def _scope(event: FeedEvent) -> Scope:
    return (event.org_id, None) if event.org_id else (None, event.user_id)


class CursorMoved(TenonError):
    """Another replica consumes this feed at this moment."""

    reason = "cursor_moved"
