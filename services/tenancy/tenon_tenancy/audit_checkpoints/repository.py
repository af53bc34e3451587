import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, Checkpoint, LogKey
from tenon_tenancy.audit_events.models import Log


class AuditCheckpointRepository:
    """Checkpoints of the transaction's organization, or person."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_uncovered(self, log: Log, limit: int) -> Sequence[LogKey]:
        """Return logs that have grown since their last checkpoint, in a system transaction for
        `checkpoints`.
        """
        heads = log.heads
        rows = await self._tx.rows(
            select(heads.c[log.owner].label("owner_id"))
            .where(heads.c.position > heads.c.covered)
            .limit(limit)
        )
        return [LogKey(log, row.owner_id) for row in rows]

    async def find_logs(self, log: Log, after: UUID | None, limit: int) -> Sequence[LogKey]:
        """Return the logs whose owners follow, in a system transaction for `checkpoints`."""
        owner = log.heads.c[log.owner]
        statement = select(owner.label("owner_id")).order_by(owner).limit(limit)
        if after is not None:
            statement = statement.where(owner > after)
        return [LogKey(log, row.owner_id) for row in await self._tx.rows(statement)]

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


def _checkpoint(owner: str, row: Row[Any]) -> Checkpoint:
    return Checkpoint(owner, row.position, row.hash, row.create_time, row.key_id, row.signature)
