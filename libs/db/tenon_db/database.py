"""A service's database: three kinds of transaction, and no other way in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import Text

from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded, Unavailable
from tenon_db.doorbell import Doorbell
from tenon_db.transaction import Transaction

DEFAULT_TIMEOUT_SECONDS = 30.0
QUERY_CANCELED = "57014"

_SCOPE = text(
    "SELECT set_config('app.org_id', :org_id, true), set_config('app.user_id', :user_id, true),"
    " set_config('app.purpose', :purpose, true), set_config('statement_timeout', :timeout, true)"
).bindparams(*(bindparam(name, type_=Text) for name in ("org_id", "user_id", "purpose", "timeout")))


class Database:
    """One service's schema, as its application role.

    A transaction sees the rows of one organization (`tenant`), of one person (`user`), or the
    global tables (`system`); row level security holds it to that. It is committed at the end of
    its block and rolled back by an exception.
    """

    def __init__(self, url: str, *, schema: str, doorbell: Doorbell, pool_size: int = 10) -> None:
        self.schema = schema
        self.doorbell = doorbell
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5.0,
            connect_args={"options": "-c timezone=UTC", "connect_timeout": 5},
        )

    async def check(self) -> None:
        """Ask the server for a sign of life; Unavailable."""
        async with self.system("check") as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def tenant(
        self, org_id: UUID, *, snapshot: bool = False, statement_seconds: float | None = None
    ) -> AsyncIterator[Transaction]:
        """Open a transaction on one organization's rows.

        `snapshot` makes it read-only and all its statements see one moment; `statement_seconds`
        bounds each statement where the default of 30 would not do.
        """
        async with self._begin(org_id, None, "", snapshot, statement_seconds) as tx:
            yield tx

    @asynccontextmanager
    async def user(self, user_id: UUID) -> AsyncIterator[Transaction]:
        """Open a transaction on one person's own rows."""
        async with self._begin(None, user_id, "", snapshot=False, statement_seconds=None) as tx:
            yield tx

    @asynccontextmanager
    async def system(self, purpose: str) -> AsyncIterator[Transaction]:
        """Open a transaction on the global tables, and on what is readable for this purpose."""
        async with self._begin(None, None, purpose, snapshot=False, statement_seconds=None) as tx:
            yield tx

    @asynccontextmanager
    async def _begin(
        self,
        org_id: UUID | None,
        user_id: UUID | None,
        purpose: str,
        snapshot: bool,
        statement_seconds: float | None,
    ) -> AsyncIterator[Transaction]:
        try:
            async with self._engine.connect() as connection:
                if snapshot:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                tx = Transaction(connection, self.schema, org_id, user_id)
                async with connection.begin():
                    await _set_scope(connection, org_id, user_id, purpose, statement_seconds)
                    yield tx
        except DBAPIError as error:
            raise _told(error) from error
        except TimeoutError as error:
            raise Unavailable from error
        await tx.committed(self.doorbell)


async def _set_scope(
    connection: AsyncConnection,
    org_id: UUID | None,
    user_id: UUID | None,
    purpose: str,
    statement_seconds: float | None,
) -> None:
    left = deadlines.remaining()
    bounds = [seconds for seconds in (statement_seconds, left) if seconds is not None]
    seconds = min(bounds) if bounds else DEFAULT_TIMEOUT_SECONDS
    await connection.execute(
        _SCOPE,
        {
            "org_id": str(org_id or ""),
            "user_id": str(user_id or ""),
            "purpose": purpose,
            "timeout": str(max(1, int(seconds * 1000))),
        },
    )


def _told(error: DBAPIError) -> Exception:
    """Tell a lost server and a passed deadline apart from a mistake of ours."""
    if getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
        return DeadlineExceeded()
    if error.connection_invalidated or (
        isinstance(error, OperationalError | InterfaceError)
        and getattr(error.orig, "sqlstate", None) is None
    ):
        return Unavailable()
    return error
