"""A service's own feed: committed events get dense positions, and can be read in that order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import Row, Select, func, select, update

from tenon_core.errors import TenonError
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


class Feed:
    """Reads the events back by position."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._outbox = outbox_of(database.schema)
        self._head = outbox_head_of(database.schema)

    async def pull(
        self, after: int, types: Sequence[str], limit: int
    ) -> tuple[list[FeedEvent], int]:
        """Return the wanted events after a position, and the position to go on from."""
        outbox = self._outbox
        async with self._database.system("feed") as tx:
            head: int = await tx.scalar(select(self._head.c.position))
            rows = await tx.rows(
                select(outbox)
                .where(outbox.c.position > after, outbox.c.position <= head)
                .where(outbox.c.type.in_(types))
                .order_by(outbox.c.position)
                .limit(limit)
            )
        events = [_event(row) for row in rows]
        return events, events[-1].position if len(events) == limit else max(head, after)


def _event(row: Row[tuple[object, ...]]) -> FeedEvent:
    return FeedEvent(**row._mapping)  # noqa: SLF001 # SQLAlchemy's public name begins with _
