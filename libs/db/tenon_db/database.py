"""A service's database: three kinds of transaction, and no other way in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from uuid import UUID

import psycopg
import structlog
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import PoolProxiedConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded, NotFound, Overloaded, StorageFull, Unavailable
from tenon_db.deleted_organizations import REFUSED
from tenon_db.doorbell import Doorbell
from tenon_db.patience import Patience
from tenon_db.shares import ConnectionShares
from tenon_db.transaction import Transaction

DEFAULT_SECONDS = 30.0
POOL_WAIT_SECONDS = 5.0
RETRY_SECONDS = 1.0
BEGIN_SECONDS = 3.0
"""No server that is well takes so long for a BEGIN; the connection is dead, the next may not be."""
ROLLBACK_SECONDS = 3.0
NOTICING = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}
"""For waits that have no bound of their own: a COPY whose server's machine is gone."""

SHORTAGES = (
    psycopg.errors.InsufficientResources,
    psycopg.errors.OutOfMemory,
    psycopg.errors.TooManyConnections,
    psycopg.errors.IoError,
)
"""The server lacks something that may be there again soon."""
CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""The server has undone one of two transactions that could not both go on."""
FULL_SECONDS = 60.0
"""When to try again after a disk was full; somebody has to free space first."""
CONFLICT = "Somebody changed the same at the same time. Try again."

log = structlog.get_logger()

Driver: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

SNAPSHOT = " ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a transaction sees, and how it sees them; `seconds` bound each statement."""

    org_id: UUID | None = None
    user_id: UUID | None = None
    purpose: str = ""
    snapshot: bool = False
    seconds: float = DEFAULT_SECONDS

    def begin(self) -> str:
        """Write the statements that open the transaction; what they set ends with it.

        One message to the server, and nothing in it that has to be planned.
        """
        left = deadlines.remaining()
        seconds = self.seconds if left is None else min(self.seconds, left)
        settings = {
            "app.org_id": self.org_id,
            "app.user_id": self.user_id,
            "app.purpose": self.purpose,
            "statement_timeout": max(1, int(seconds * 1000)),
        }
        lines = [
            f"SET LOCAL {name} = '{_escaped(value)}'" for name, value in settings.items() if value
        ]
        return "; ".join([f"BEGIN{SNAPSHOT if self.snapshot else ''}", *lines])


def _escaped(value: object) -> str:
    """Write a value for between quotes; they are UUIDs and words of ours, and still."""
    return str(value).replace("'", "''")


class Database:
    """One service's schema, as its application role.

    A transaction sees the rows of one organization (`tenant`), of one person (`user`), or the
    global tables (`system`); row level security holds it to that. It is committed at the end of
    its block and rolled back by an exception. Connections are divided fairly (`shares.py`):
    LimitExceeded if none comes free in time.
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
        self._shares = ConnectionShares(pool_size)
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are ours, see `_transaction`
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_reset_on_return=None,  # see `_give_back`
            hide_parameters=True,
            connect_args={
                "options": "-c timezone=UTC",
                "connect_timeout": 5,
                **NOTICING,
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
        async with self._shares.held(scope.org_id, scope.user_id), self._begun(scope) as tx:
            yield tx

    @asynccontextmanager
    async def _begun(self, scope: Scope) -> AsyncIterator[Transaction]:
        try:
            connection, driver = await self._begin(scope)
            try:
                tx = Transaction(driver, self.schema, scope.org_id, scope.user_id, scope.seconds)
                yield tx
                with Patience(DEFAULT_SECONDS):
                    await driver.commit()
            finally:
                await _give_back(connection, driver)
        except psycopg.Error as error:
            raise _told(error) from error
        await tx.committed(self.doorbell)

    async def _begin(self, scope: Scope) -> tuple[PoolProxiedConnection, Driver]:
        """Begin on a connection of the pool, past those that the server closed meanwhile."""
        for _ in range(self._pool_size + 1):
            connection = await self._connect()
            driver: Driver = cast("Any", connection).driver_connection
            try:
                with Patience(BEGIN_SECONDS):
                    await driver.execute(scope.begin().encode())
            except psycopg.OperationalError:
                await _throw_away(connection, driver)
            except BaseException:
                await _give_back(connection, driver)
                raise
            else:
                return connection, driver
        raise Unavailable(retry_after=RETRY_SECONDS)

    async def _connect(self) -> PoolProxiedConnection:
        try:
            return await self._engine.raw_connection()
        except PoolExhausted as error:
            raise Overloaded(retry_after=RETRY_SECONDS) from error
        except DBAPIError as error:
            raise Unavailable(retry_after=RETRY_SECONDS) from error


async def _give_back(connection: PoolProxiedConnection, driver: Driver) -> None:
    """Return a connection to the pool, out of any transaction; one that is broken is thrown away.

    No cancellation keeps it from that.
    """
    if driver.info.transaction_status is TransactionStatus.IDLE:
        connection.close()
    else:
        await asyncio.shield(_roll_back(connection, driver))


async def _throw_away(connection: PoolProxiedConnection, driver: Driver) -> None:
    """Close a connection that is broken; the pool opens another in its place."""
    connection.detach()
    with suppress(psycopg.Error):
        await driver.close()


async def _roll_back(connection: PoolProxiedConnection, driver: Driver) -> None:
    with suppress(psycopg.Error), Patience(ROLLBACK_SECONDS):
        await driver.rollback()
    if driver.info.transaction_status is TransactionStatus.IDLE:
        connection.close()
    else:
        await _throw_away(connection, driver)


def _told(error: psycopg.Error) -> Exception:
    """Tell a lost server, a passed deadline and a conflict apart from a mistake of ours; and what
    somebody wants to write for an organization that is no more.
    """
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DeadlineExceeded()
    if isinstance(error, psycopg.errors.DiskFull):
        log.error("the disk of PostgreSQL is full", error=str(error))
        return StorageFull(retry_after=FULL_SECONDS)
    if error.sqlstate == REFUSED:
        return NotFound()
    if isinstance(error, CONFLICTS):
        return Unavailable(CONFLICT, retry_after=RETRY_SECONDS)
    if isinstance(error, SHORTAGES) or _is_lost(error):
        return Unavailable(retry_after=RETRY_SECONDS)
    return error


def _is_lost(error: psycopg.Error) -> bool:
    """Return whether the server, or the connection to it, is gone."""
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return lost and (error.sqlstate is None or isinstance(error, psycopg.errors.AdminShutdown))
