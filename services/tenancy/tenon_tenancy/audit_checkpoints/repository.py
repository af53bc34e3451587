import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, union, update
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, Checkpoint, LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Log
from tenon_tenancy.organizations.models import organizations


class AuditCheckpointRepository:
    """Checkpoints of the transaction's organization, or person."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_uncovered(self, log: Log, after: UUID, limit: int) -> Sequence[LogKey]:
        """Return logs that have grown since their last checkpoint, of owners that follow, in a
        system transaction for `checkpoints`.
        """
        heads = log.heads
        owner = heads.c[log.owner]
        rows = await self._tx.rows(
            select(owner.label("owner_id"))
            .where(heads.c.position > heads.c.covered, owner > after)
            .order_by(owner)
            .limit(limit)
        )
        return [LogKey(log, row.owner_id) for row in rows]

    async def find_logs(self, log: Log, after: UUID, limit: int) -> Sequence[LogKey]:
        """Return the logs of owners that follow, also those of which nothing but a checkpoint or
        the organization is left, in a system transaction for `checkpoints`.
        """
        columns = [table.c[log.owner] for table in (log.heads, CHECKPOINTS[log])]
        if log is ORGANIZATIONS:
            columns.append(organizations.c.id)
        owners = union(*(select(owner.label("owner_id")).where(owner > after) for owner in columns))
        rows = await self._tx.rows(owners.order_by("owner_id").limit(limit))
        return [LogKey(log, row.owner_id) for row in rows]

    async def add(self, key: LogKey, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint; the first of a position stays."""
        log, table = key.log, CHECKPOINTS[key.log]
        row = dataclasses.asdict(checkpoint)
        del row["owner"]
        await self._tx.execute(
            insert(table).values({log.owner: key.owner_id, **row}).on_conflict_do_nothing()
        )
        await self._tx.execute(
            update(log.heads)
            .where(log.heads.c[log.owner] == key.owner_id)
            .where(log.heads.c.covered < checkpoint.position)
            .values(covered=checkpoint.position)
        )

    async def page(self, key: LogKey, limit: int, before: int | None) -> Sequence[Checkpoint]:
        """Return an owner's checkpoints, newest first."""
        table = CHECKPOINTS[key.log]
        statement = (
            select(table)
            .where(table.c[key.log.owner] == key.owner_id)
            .order_by(table.c.position.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(table.c.position < before)
        return [_checkpoint(str(key), row) for row in await self._tx.rows(statement)]

    async def last_before(self, key: LogKey, at: datetime, after: int) -> int | None:
        """Return the position of the last checkpoint that was made before a time, if it follows a
        position.
        """
        table = CHECKPOINTS[key.log]
        found: int | None = await self._tx.scalar(
            select(table.c.position)
            .where(table.c[key.log.owner] == key.owner_id, table.c.position > after)
            .where(table.c.create_time < at)
            .order_by(table.c.position.desc())
            .limit(1)
        )
        return found

    async def remove(self, key: LogKey, after: int, before: int) -> None:
        """Remove the checkpoints between two positions."""
        table = CHECKPOINTS[key.log]
        await self._tx.execute(
            delete(table)
            .where(table.c[key.log.owner] == key.owner_id)
            .where(table.c.position > after, table.c.position < before)
        )

    async def after(self, key: LogKey, position: int, limit: int) -> Sequence[Checkpoint]:
        """Return an owner's checkpoints that follow a position, oldest first."""
        table = CHECKPOINTS[key.log]
        rows = await self._tx.rows(
            select(table)
            .where(table.c[key.log.owner] == key.owner_id, table.c.position > position)
            .order_by(table.c.position)
            .limit(limit)
        )
        return [_checkpoint(str(key), row) for row in rows]


def _checkpoint(owner: str, row: Row[Any]) -> Checkpoint:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(Checkpoint)[1:]}
    return Checkpoint(owner, **fields)
