"""One open transaction: statements, and the events that are committed with them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import CursorResult, Executable, Row, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_db.doorbell import Doorbell
from tenon_db.tables import outbox_bell, outbox_of

Parameters = dict[str, Any] | Sequence[dict[str, Any]]


class Transaction:
    """What a repository is built from. `org_id` and `user_id` say whose rows it sees."""

    def __init__(
        self,
        connection: AsyncConnection,
        driver: psycopg.AsyncConnection[Any],
        schema: str,
        org_id: UUID | None,
        user_id: UUID | None,
    ) -> None:
        self.org_id = org_id
        self.user_id = user_id
        self.driver = driver
        """The driver's own connection, for COPY; it is inside this transaction."""
        self._connection = connection
        self._schema = schema
        self._published = False
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        return await self._connection.execute(statement, parameters)

    async def rows(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Sequence[Row[Any]]:
        return (await self.execute(statement, parameters)).all()

    async def row(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Row[Any] | None:
        """Return the only row, or None; it is an error if there are more."""
        return (await self.execute(statement, parameters)).one_or_none()

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Return the first column of the only row, or None."""
        return (await self.execute(statement, parameters)).scalar_one_or_none()

    async def publish(self, *events: Event) -> None:
        """Add events to the outbox: they are published if, and only if, this commits."""
        self._published = True
        await self.execute(
            insert(outbox_of(self._schema)),
            [
                {
                    "id": uuid7(),
                    "type": event.type,
                    "org_id": event.org_id,
                    "user_id": event.user_id,
                    "event_time": clock.now(),
                    "payload": event.payload,
                }
                for event in events
            ],
        )

    def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run this once the transaction is committed, before its block is left."""
        self._after_commit.append(callback)

    async def committed(self, doorbell: Doorbell) -> None:
        """Do what waits for the commit; the database calls this."""
        if self._published:
            doorbell.ring(outbox_bell(self._schema))
        for callback in self._after_commit:
            await callback()
