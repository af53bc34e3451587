"""A whole log, oldest line first, in batches: as much memory as one takes."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.models import ORGANIZATIONS, AuditEvent, Log
from tenon_tenancy.audit_events.repository import AuditEventRepository

BATCH = 1_000


async def read_log(
    database: Database, log: Log, owner_id: UUID, after: int = 0, to: int | None = None
) -> AsyncIterator[AuditEvent]:
    """Yield the lines after a position, to another or else to the end, those included that are
    added meanwhile.
    """
    while to is None or after < to:
        async with scope(database, log, owner_id) as tx:
            lines = await AuditEventRepository(tx).after(after, to, BATCH)
        for line in lines:
            yield line
        if len(lines) < BATCH:
            return
        after = lines[-1].position


def scope(database: Database, log: Log, owner_id: UUID) -> AbstractAsyncContextManager[Transaction]:
    """Open a transaction of the log's owner."""
    if log is ORGANIZATIONS:
        return database.tenant(owner_id)
    return database.user(owner_id)
