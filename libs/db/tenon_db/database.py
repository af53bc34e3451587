"""A service's database: three kinds of transaction, and no other way in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded, Overloaded, Unavailable
from tenon_db.doorbell import Doorbell
from tenon_db.transaction import Transaction

DEFAULT_SECONDS = 30.0
POOL_WAIT_SECONDS = 5.0
RETRY_SECONDS = 1.0

# One message to the server, so that a transaction costs two round trips beside its statements.
BEGIN = (
    "BEGIN{mode}; SELECT set_config('app.org_id', '{org_id}', true),"
    " set_config('app.user_id', '{user_id}', true), set_config('app.purpose', '{purpose}', true),"
    " set_config('statement_timeout', '{timeout}', true)"
)
SNAPSHOT = " ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a transaction sees, and how it sees them; `seconds` bound each statement."""

    org_id: UUID | None = None
    user_id: UUID | None = None
    purpose: str = ""
    snapshot: bool = False
    seconds: float = DEFAULT_SECONDS

    def begin(self) -> bytes:
        """Write the statements that open the transaction."""
        left = deadlines.remaining()
        seconds = self.seconds if left is None else min(self.seconds, left)
        return BEGIN.format(
            mode=SNAPSHOT if self.snapshot else "",
            org_id=_escaped(self.org_id or ""),
            user_id=_escaped(self.user_id or ""),
            purpose=_escaped(self.purpose),
            timeout=max(1, int(seconds * 1000)),
        ).encode()


def _escaped(value: object) -> str:
    """Write a value for between quotes; they are UUIDs and words of ours, and still."""
    return str(value).replace("'", "''")


class Database:
    """One service's schema, as its application role.

    A transaction sees the rows of one organization (`tenant`), of one person (`user`), or the
    global tables (`system`); row level security holds it to that. It is committed at the end of
    its block and rolled back by an exception.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str,
        doorbell: Doorbell,
        pool_size: int = 10,
        prepared: bool = True,
    ) -> None:
        """Open nothing yet. `prepared` statements stay on a session of the server, so they must be
        off behind a pooler that gives each transaction another one.
        """
        self.schema = schema
        self.doorbell = doorbell
        self._pool_size = pool_size
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are ours, see `BEGIN`
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            hide_parameters=True,
            connect_args={
                "options": "-c timezone=UTC",
                "connect_timeout": 5,
                **({} if prepared else {"prepare_threshold": None}),
            },
        )

    async def check(self) -> None:
        """Ask the server for a sign of life; Unavailable."""
        async with self.system("check") as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def tenant(
        self, org_id: UUID, *, snapshot: bool = False, statement_seconds: float = DEFAULT_SECONDS
    ) -> AsyncIterator[Transaction]:
        """Open a transaction on one organization's rows.

        `snapshot` makes it read-only and all its statements see one moment; `statement_seconds`
        bounds each statement where the default would not do.
        """
        scope = Scope(org_id=org_id, snapshot=snapshot, seconds=statement_seconds)
        async with self._transaction(scope) as tx:
            yield tx

    @asynccontextmanager
    async def user(self, user_id: UUID) -> AsyncIterator[Transaction]:
        """Open a transaction on one person's own rows."""
        async with self._transaction(Scope(user_id=user_id)) as tx:
            yield tx

    @asynccontextmanager
    async def system(self, purpose: str) -> AsyncIterator[Transaction]:
        """Open a transaction on the global tables, and on what is readable for this purpose."""
        async with self._transaction(Scope(purpose=purpose)) as tx:
            yield tx

    @asynccontextmanager
    async def _transaction(self, scope: Scope) -> AsyncIterator[Transaction]:
        try:
            connection, driver = await self._begin(scope)
            try:
                tx = Transaction(connection, driver, self.schema, scope.org_id, scope.user_id)
                yield tx
                await driver.commit()
            finally:
                # The pool rolls back what is still open; a cancellation must not keep it from that.
                await asyncio.shield(connection.close())
        except (DBAPIError, psycopg.Error) as error:
            raise _told(error) from error
        await tx.committed(self.doorbell)

    async def _begin(self, scope: Scope) -> tuple[AsyncConnection, psycopg.AsyncConnection[Any]]:
        """Begin on a connection of the pool, past those that the server closed meanwhile."""
        for _ in range(self._pool_size + 1):
            connection = await self._connect()
            try:
                raw = await connection.get_raw_connection()
                driver = cast("psycopg.AsyncConnection[Any]", raw.driver_connection)
                await driver.execute(scope.begin())
            except psycopg.OperationalError:
                await connection.invalidate()
                await connection.close()
            except BaseException:
                await connection.close()
                raise
            else:
                return connection, driver
        raise Unavailable(retry_after=RETRY_SECONDS)

    async def _connect(self) -> AsyncConnection:
        try:
            return await self._engine.connect()
        except PoolExhausted as error:
            raise Overloaded(retry_after=RETRY_SECONDS) from error
        except DBAPIError as error:
            raise Unavailable(retry_after=RETRY_SECONDS) from error


def _told(error: DBAPIError | psycopg.Error) -> Exception:
    """Tell a lost server and a passed deadline apart from a mistake of ours."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return DeadlineExceeded()
    lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    if lost and (
        getattr(cause, "sqlstate", None) is None or isinstance(cause, psycopg.errors.AdminShutdown)
    ):
        return Unavailable(retry_after=RETRY_SECONDS)
    return error
