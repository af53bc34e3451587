from datetime import datetime
from typing import Any

from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded
from tenon_core.ids import parse_id
from tenon_core.slots import Holder, Slots
from tenon_db.database import Database
from tenon_policy.call import Call
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import QueryTimeout
from tenon_reports.limits import QUERIES
from tenon_reports.queries.models import Cell, Plan, QueryAnswer, Question
from tenon_reports.queries.plan import plan_query
from tenon_reports.queries.repository import QueryRepository

LONGEST_SECONDS = 30.0
MARGIN_SECONDS = 0.2


class QueryService:
    """Questions, answered at once."""

    def __init__(self, database: Database, datasets: DatasetService, slots: int) -> None:
        self._database = database
        self._datasets = datasets
        self._slots = Slots(QUERIES, slots)

    async def run(self, call: Call, asked: Question) -> QueryAnswer:
        """Answer a question; InvalidQuery, QueryTimeout, LimitExceeded."""
        holder = Holder(call.account_id or call.org, call.org)
        try:
            async with (
                deadlines.limit(_patience()),
                self._slots.held(holder),
                self._database.tenant(call.org, snapshot=True) as tx,
            ):
                dataset = await self._datasets.get_within(tx, parse_id(asked.dataset_id))
                plan = plan_query(call.org, dataset, asked)
                return await _answer(QueryRepository(tx), plan)
        except (DeadlineExceeded, TimeoutError) as error:
            raise QueryTimeout from error


async def _answer(repository: QueryRepository, plan: Plan) -> QueryAnswer:
    rows = [[_cell(value) for value in row] for row in await repository.rows(plan)]
    totals = rows[0] if _is_one_group(plan) else await repository.totals(plan)
    return QueryAnswer(
        columns=plan.columns,
        rows=rows,
        totals=dict(zip(plan.columns[-len(plan.metrics) :], totals, strict=True)),
        watermark=await repository.now(),
    )


def _patience() -> float:
    """Return the seconds for the database: a little less than the caller has."""
    left = deadlines.remaining()
    return LONGEST_SECONDS if left is None else max(0.0, left - MARGIN_SECONDS)


def _is_one_group(plan: Plan) -> bool:
    return not plan.granularity and not plan.dimensions


def _cell(value: Any) -> Cell:
    """Write a bucket's start as RFC 3339; everything else is plain already."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    cell: Cell = value
    return cell
