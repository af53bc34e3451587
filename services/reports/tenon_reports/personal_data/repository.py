from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from tenon_db.transaction import Transaction
from tenon_reports.runs.models import runs
from tenon_reports.uploads.models import uploads

SHOWN = ("org_id", "id", "dataset_id", "state", "create_time", "finish_time")


class PersonalDataRepository:
    """What the transaction's user has begun."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def runs_of(self, user_id: UUID) -> list[dict[str, Any]]:
        return await self._begun(runs, user_id)

    async def uploads_of(self, user_id: UUID) -> list[dict[str, Any]]:
        return await self._begun(uploads, user_id)

    async def _begun(self, table: Table, user_id: UUID) -> list[dict[str, Any]]:
        rows = await self._tx.rows(
            select(*(table.c[name] for name in SHOWN))
            .where(table.c.user_id == user_id)
            .order_by(table.c.id)
        )
        return [{**row._mapping} for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _
