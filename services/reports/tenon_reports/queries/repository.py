from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from tenon_db.transaction import Transaction
from tenon_reports.queries.compiler import select_rows, select_totals
from tenon_reports.queries.models import Plan


class QueryRepository:
    """Answers plans, in a snapshot of their organization's rows."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def rows(self, plan: Plan) -> Sequence[Row[Any]]:
        return await self._tx.rows(select_rows(plan))

    async def totals(self, plan: Plan) -> Row[Any]:
        found = await self._tx.row(select_totals(plan))
        assert found is not None  # an aggregate without groups is one row, always
        return found

    async def now(self) -> datetime:
        """Return when the transaction began: whatever was committed before is seen by it."""
        moment: datetime = await self._tx.scalar(select(func.now()))
        return moment
