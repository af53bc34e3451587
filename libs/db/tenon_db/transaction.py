"""One open transaction: statements, and the events that are committed with them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import Executable, Row, insert

from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_db.doorbell import Doorbell
from tenon_db.patience import Patience
from tenon_db.statements import Parameters, compiled, named_rows
from tenon_db.tables import outbox_bell, outbox_of

FETCHED_ROWS = 100
NUMBER_BYTES = 8


class TooManyBytes(Exception):
    """The rows of a statement take more bytes than the caller allows."""


class Transaction:
    """What a repository is built from. `org_id` and `user_id` say whose rows it sees."""

    def __init__(
        self,
        driver: psycopg.AsyncConnection[tuple[Any, ...]],
        schema: str,
        org_id: UUID | None,
        user_id: UUID | None,
        statement_seconds: float,
    ) -> None:
        self.org_id = org_id
        self.user_id = user_id
        self.driver = driver
        """The connection, for COPY; it is inside this transaction."""
        self._schema = schema
        self._statement_seconds = statement_seconds
        self._published = False
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> psycopg.AsyncCursor[tuple[Any, ...]]:
        """Run a statement; the cursor tells how many rows it touched, as `rowcount`."""
        sql, values = compiled(statement, parameters)
        with Patience(self._statement_seconds):
            return await self.driver.execute(sql, values)

    async def execute_many(self, statement: Executable, parameters: Sequence[Parameters]) -> None:
        """Run a statement for each of these parameters, which all have the same names."""
        alike = [compiled(statement, one) for one in parameters]
        with Patience(self._statement_seconds * len(alike)):
            await self.driver.cursor().executemany(alike[0][0], [values for _, values in alike])

    async def rows(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Sequence[Row[Any]]:
        cursor = await self.execute(statement, parameters)
        result = cursor.pgresult
        assert result is not None, "a statement that was executed has one"
        names = tuple(result.fname(number) or b"" for number in range(result.nfields))
        return named_rows(names, await cursor.fetchall())

    async def bounded_rows(self, statement: Executable, max_bytes: int) -> Sequence[Row[Any]]:
        """Return a statement's rows as `rows` does, fetched a few at a time; TooManyBytes as soon
        as their values take more than `max_bytes`.
        """
        sql, values = compiled(statement, None)
        cursor = self.driver.cursor()
        stream = cast("AsyncGenerator[Any]", cursor.stream(sql, values, size=FETCHED_ROWS))
        fetched: list[tuple[Any, ...]] = []
        size = 0
        with Patience(self._statement_seconds):
            async with aclosing(stream) as rows:
                async for row in rows:
                    size += sum(map(_size_of, row))
                    if size > max_bytes:
                        raise TooManyBytes
                    fetched.append(row)
        names = tuple(column.name.encode() for column in cursor.description or ())
        return named_rows(names, fetched)

    async def row(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Row[Any] | None:
        """Return the only row, or None; it is an error if there are more."""
        found = await self.rows(statement, parameters)
        assert len(found) <= 1, "one row, or none"
        return found[0] if found else None

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Return the first column of the only row, or None."""
        found = await (await self.execute(statement, parameters)).fetchall()
        assert len(found) <= 1, "one row, or none"
        return found[0][0] if found else None

    async def publish(self, *events: Event) -> None:
        """Add events to the outbox: they are published if, and only if, this commits."""
        self._published = True
        statement = insert(outbox_of(self._schema))
        rows = [_outbox_row(event) for event in events]
        if len(rows) == 1:
            await self.execute(statement, rows[0])
        else:
            await self.execute_many(statement, rows)

    def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run this once the transaction is committed, before its block is left."""
        self._after_commit.append(callback)

    async def committed(self, doorbell: Doorbell) -> None:
        """Do what waits for the commit; the database calls this."""
        if self._published:
            doorbell.ring(outbox_bell(self._schema))
        for callback in self._after_commit:
            await callback()


def _size_of(value: object) -> int:
    """Return about how many bytes a value takes in a message."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return NUMBER_BYTES


def _outbox_row(event: Event) -> Parameters:
    return {
        "id": uuid7(),
        "type": event.type,
        "org_id": event.org_id,
        "user_id": event.user_id,
        "event_time": clock.now(),
        "payload": event.payload,
    }
