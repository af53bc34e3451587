from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from tenon_core.errors import FieldError
from tenon_db.transaction import TooManyBytes, Transaction
from tenon_reports.errors import InvalidQuery
from tenon_reports.queries.compiler import select_rows, select_totals
from tenon_reports.queries.models import Plan

MAX_RESULT_BYTES = 8 * 1024 * 1024
RESULT_TOO_LARGE = (
    f"the result takes more than {MAX_RESULT_BYTES // 1024**2} MiB: lower the limit, or export it"
)


class QueryRepository:
    """Answers plans, in a snapshot of their organization's rows."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def rows(self, plan: Plan) -> Sequence[Row[Any]]:
        """Return the rows of a query's result; InvalidQuery if they are too large for a reply."""
        try:
            return await self._tx.bounded_rows(select_rows(plan), MAX_RESULT_BYTES)
        except TooManyBytes:
            raise InvalidQuery(fields=[FieldError("/limit", RESULT_TOO_LARGE)]) from None

    async def totals(self, plan: Plan) -> Row[Any]:
        found = await self._tx.row(select_totals(plan))
        assert found is not None  # an aggregate without groups is one row, always
        return found

    async def now(self) -> datetime:
        """Return when the transaction began: whatever was committed before is seen by it."""
        moment: datetime = await self._tx.scalar(select(func.now()))
        return moment
