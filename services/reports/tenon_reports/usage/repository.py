from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func, select

from tenon_db.transaction import Transaction
from tenon_reports.datasets.models import datasets
from tenon_reports.ingest.models import ingested_events


@dataclass(frozen=True, slots=True)
class Stored:
    """The events of the datasets that are there; `size_bytes` is what they take as text."""

    events: int
    size_bytes: int


class UsageRepository:
    """What was counted while events were taken; none of them is looked at."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def accepted(self, month: date) -> int:
        events: int = await self._tx.scalar(
            select(_total(ingested_events.c.events)).where(
                ingested_events.c.org_id == self._tx.org_id, ingested_events.c.month == month
            )
        )
        return events

    async def stored(self) -> Stored:
        of_dataset = (ingested_events.c.org_id == datasets.c.org_id) & (
            ingested_events.c.dataset_id == datasets.c.id
        )
        row = await self._tx.row(
            select(
                _total(ingested_events.c.events).label("events"),
                _total(ingested_events.c.bytes).label("size_bytes"),
            )
            .join(datasets, of_dataset)
            .where(datasets.c.org_id == self._tx.org_id, datasets.c.delete_time.is_(None))
        )
        assert row is not None, "a sum has one"
        return Stored(row.events, row.size_bytes)


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    total: ColumnElement[int] = func.coalesce(func.sum(column), 0).cast(column.type)
    return total
