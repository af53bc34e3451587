from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, literal, select

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Log
from tenon_tenancy.organizations.models import organizations


class AuditRetentionRepository:
    """For how many days logs are kept; 0 is for ever."""

    def __init__(self, tx: Transaction, personal_days: int) -> None:
        self._tx = tx
        self._personal_days = personal_days

    async def days(self, key: LogKey) -> int:
        """Return for how long the log of the transaction's organization or person is kept."""
        if key.log is not ORGANIZATIONS:
            return self._personal_days
        found: int | None = await self._tx.scalar(
            select(organizations.c.audit_retention_days).where(organizations.c.id == key.owner_id)
        )
        return found or 0

    async def find_limited(self, log: Log, after: UUID, limit: int) -> Sequence[LogKey]:
        """Return the logs of owners that follow which are not kept for ever, in a system
        transaction for `checkpoints`.
        """
        owner, days = self._source(log)
        rows = await self._tx.rows(
            select(owner.label("owner_id"))
            .where(owner > after, days > 0)
            .order_by(owner)
            .limit(limit)
        )
        return [LogKey(log, row.owner_id) for row in rows]

    def _source(self, log: Log) -> tuple[ColumnElement[UUID], ColumnElement[int]]:
        if log is ORGANIZATIONS:
            return organizations.c.id, organizations.c.audit_retention_days
        return log.heads.c[log.owner], literal(self._personal_days)
