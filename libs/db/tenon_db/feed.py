"""A service's own feed: committed events get dense positions, and can be read in that order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import Row, Select, func, select, true, update

from tenon_core.errors import Code, TenonError
from tenon_db.database import Database
from tenon_db.doorbell import heard
from tenon_db.tables import feed_bell, outbox_bell, outbox_head_of, outbox_of

SEQUENCE_BATCH = 1_000
POLL_SECONDS = 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event as it was published."""

    id: UUID
    position: int
    type: str
    org_id: UUID | None
    user_id: UUID | None
    event_time: datetime
    payload: bytes


class Sequencer:
    """Gives committed events their positions, one after the other without a gap.

    A PostgreSQL sequence would not do: numbers are taken before the commit, so a reader could
    pass over one that is committed late. Any number of these may run; the head's row is locked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._outbox = outbox_of(database.schema)
        self._head = outbox_head_of(database.schema)

    async def run(self) -> None:
        """Go on until cancelled: at each ring, and every half second."""
        async with self._database.doorbell.listening(outbox_bell(self._database.schema)) as rung:
            while True:
                try:
                    while await self.advance() == SEQUENCE_BATCH:
                        pass
                except TenonError as error:
                    log.warning("events wait for their positions", error=error.detail)
                await heard(rung, within=POLL_SECONDS)

    async def advance(self) -> int:
        """Give the next batch its positions; return how many there were."""
        async with self._database.system("sequencer") as tx:
            if not await tx.scalar(select(self._fresh().exists())):
                return 0
            head = await tx.scalar(select(self._head.c.position).with_for_update())
            fresh = self._fresh().order_by(self._outbox.c.id).limit(SEQUENCE_BATCH).subquery()
            numbered = select(
                fresh.c.id, func.row_number().over(order_by=fresh.c.id).label("number")
            ).subquery()
            result = await tx.execute(
                update(self._outbox)
                .where(self._outbox.c.id == numbered.c.id)
                .values(position=head + numbered.c.number)
            )
            await tx.execute(update(self._head).values(position=head + result.rowcount))
        self._database.doorbell.ring(feed_bell(self._database.schema))
        return result.rowcount

    def _fresh(self) -> Select[tuple[UUID]]:
        return select(self._outbox.c.id).where(self._outbox.c.position.is_(None))


@dataclass(frozen=True, slots=True)
class Stand:
    """How much of a feed lies before a consumer.

    `first` is the position before the oldest event that is kept, `head` the last position given.
    """

    first: int
    head: int
    waiting_since: datetime | None
    """When the oldest event happened that the consumer has not passed; None at the head."""


class Feed:
    """Reads the events back by position."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._outbox = outbox_of(database.schema)
        self._head = outbox_head_of(database.schema)

    async def pull(
        self, after: int, types: Sequence[str], limit: int
    ) -> tuple[list[FeedEvent], int]:
        """Return the wanted events after a position, and the position to go on from.

        Raises CursorTooOld if events after it have been deleted.
        """
        # One statement sees one moment: none can be deleted between looking and reading.
        wanted = (
            select(self._outbox)
            .where(
                self._outbox.c.position > after, self._outbox.c.position <= self._head.c.position
            )
            .where(self._outbox.c.type.in_(types))
            .order_by(self._outbox.c.position)
            .limit(limit)
            .lateral("wanted")
        )
        head, first = self._head.c.position.label("head"), self._head.c.first.label("first")
        async with self._database.system("feed") as tx:
            rows = await tx.rows(
                select(head, first, wanted)
                .select_from(self._head.outerjoin(wanted, true()))
                .order_by(wanted.c.position)
            )
        if after < rows[0].first:
            raise CursorTooOld
        events = [_event(row) for row in rows if row.id is not None]
        return events, events[-1].position if len(events) == limit else max(rows[0].head, after)

    async def stand(self, after: int) -> Stand:
        """Say how much there is after a position."""
        waiting = (
            select(self._outbox.c.event_time)
            .where(self._outbox.c.position > after)
            .order_by(self._outbox.c.position)
            .limit(1)
            .scalar_subquery()
        )
        async with self._database.system("feed") as tx:
            row = await tx.row(select(self._head, waiting.label("waiting_since")))
        assert row is not None, "the head is there from the first migration on"
        return Stand(row.first, row.position, row.waiting_since)


class CursorTooOld(TenonError):
    """Events after this position have been deleted, for they are kept for a time only."""

    code = Code.FAILED_PRECONDITION
    reason = "cursor_too_old"


def _event(row: Row[tuple[object, ...]]) -> FeedEvent:
    return FeedEvent(
        row.id, row.position, row.type, row.org_id, row.user_id, row.event_time, row.payload
    )
