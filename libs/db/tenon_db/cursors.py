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

from tenon_core.errors import TenonError
from tenon_db.database import Database
from tenon_db.doorbell import heard
from tenon_db.feed import FeedEvent
from tenon_db.tables import cursors_of, feed_bell
from tenon_db.transaction import Transaction

PULL_LIMIT = 500
POLL_SECONDS = 1.0

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


class Consumer:
    """Handles each wanted event of one source exactly once, in the order of positions.

    A handler gets a transaction in its events' own scope: their organization's, else their user's,
    else the system's. The cursor moves in the same transaction, so a crash repeats nothing and
    loses nothing. Several replicas may run: the cursor's row is locked and compared.
    """

    def __init__(self, database: Database, source: Source, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._source = source
        self._handlers = handlers
        self._cursors = cursors_of(database.schema)

    async def run(self) -> None:
        """Go on until cancelled; what fails is tried again."""
        async with self._database.doorbell.listening(feed_bell(self._source.name)) as rung:
            while True:
                try:
                    while await self.advance():
                        pass
                except TenonError as error:
                    log.warning("feed stands still", source=self._source.name, error=error.detail)
                except Exception:
                    log.exception(
                        "event not handled; it will be tried again", source=self._source.name
                    )
                await heard(rung, within=POLL_SECONDS)

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
        async with self._database.system("feed") as tx:
            found = await tx.scalar(
                select(self._cursors.c.position).where(self._cursors.c.source == self._source.name)
            )
            if found is None:
                await tx.execute(
                    insert(self._cursors)
                    .values(source=self._source.name, position=0)
                    .on_conflict_do_nothing()
                )
        return found or 0

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
