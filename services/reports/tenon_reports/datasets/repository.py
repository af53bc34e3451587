from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import ColumnElement, Row, bindparam, delete, select, update

from tenon_core import clock
from tenon_db.transaction import Transaction
from tenon_reports.datasets.models import Dataset, datasets
from tenon_reports.errors import DatasetNameTaken, DatasetNotFound

SHOWN = (
    datasets.c.id,
    datasets.c.name,
    datasets.c.time_zone,
    datasets.c.dimensions,
    datasets.c.measures,
    datasets.c.generation,
    datasets.c.create_time,
)
# Built once: building a statement takes as long as running it through SQLAlchemy.
PAGE = (
    select(*SHOWN)
    .where(datasets.c.org_id == bindparam("org_id"), datasets.c.delete_time.is_(None))
    .order_by(datasets.c.id.desc())
    .limit(bindparam("size"))
)


class DatasetRepository:
    """The datasets of the transaction's organization that are not deleted."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @property
    def _live(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return datasets.c.org_id == self._tx.org_id, datasets.c.delete_time.is_(None)

    async def add(self, dataset: Dataset) -> None:
        """Add it; DatasetNameTaken."""
        try:
            await self._tx.execute(
                datasets.insert().values(
                    org_id=self._tx.org_id,
                    id=dataset.id,
                    name=dataset.name,
                    time_zone=dataset.time_zone,
                    dimensions=list(dataset.dimensions),
                    measures=list(dataset.measures),
                    generation=dataset.generation,
                    create_time=dataset.create_time,
                )
            )
        except UniqueViolation as error:
            raise DatasetNameTaken from error

    async def get(self, dataset_id: UUID | None) -> Dataset:
        return _dataset(
            await self._tx.row(select(*SHOWN).where(*self._live, datasets.c.id == dataset_id))
        )

    async def lock(self, dataset_id: UUID | None) -> Dataset:
        """Return it, and hold off other writers of its row until the transaction's end."""
        query = select(*SHOWN).where(*self._live, datasets.c.id == dataset_id)
        return _dataset(await self._tx.row(query.with_for_update()))

    async def page(self, before: UUID | None, limit: int) -> list[Dataset]:
        """Return the newest that are older than `before`."""
        query = PAGE.where(datasets.c.id < bindparam("before")) if before else PAGE
        asked = {"org_id": self._tx.org_id, "size": limit}
        if before:
            asked["before"] = before
        return [_dataset(row) for row in await self._tx.rows(query, asked)]

    async def update(self, dataset_id: UUID, changes: Mapping[str, object]) -> Dataset:
        """Change a locked dataset; DatasetNameTaken."""
        change = update(datasets).where(*self._live, datasets.c.id == dataset_id)
        try:
            return _dataset(await self._tx.row(change.values(**changes).returning(*SHOWN)))
        except UniqueViolation as error:
            raise DatasetNameTaken from error

    async def next_generation(self, dataset_id: UUID) -> int:
        """Take the number of the next batch. The row stays locked until the transaction's end,

        so batches are committed in the order of their numbers, and "up to generation G" names
        a set of events that no later batch adds to.
        """
        change = update(datasets).where(*self._live, datasets.c.id == dataset_id)
        taken: int | None = await self._tx.scalar(
            change.values(generation=datasets.c.generation + 1).returning(datasets.c.generation)
        )
        if taken is None:
            raise DatasetNotFound
        return taken

    async def mark_deleted(self, dataset_id: UUID | None) -> None:
        change = update(datasets).where(*self._live, datasets.c.id == dataset_id)
        if (await self._tx.execute(change.values(delete_time=clock.now()))).rowcount == 0:
            raise DatasetNotFound

    async def mark_all_deleted(self) -> None:
        """Let nothing be taken for any dataset any more; waits for who is taking something."""
        await self._tx.execute(
            update(datasets)
            .where(datasets.c.org_id == self._tx.org_id, datasets.c.delete_time.is_(None))
            .values(delete_time=clock.now())
        )

    async def ids(self) -> list[UUID]:
        """Return the ids of all datasets, those included that are deleted and not yet removed."""
        own = select(datasets.c.id).where(datasets.c.org_id == self._tx.org_id)
        return [row.id for row in await self._tx.rows(own)]

    async def remove(self, dataset_id: UUID) -> None:
        """Remove the row of a deleted dataset."""
        await self._tx.execute(
            delete(datasets).where(
                datasets.c.org_id == self._tx.org_id,
                datasets.c.id == dataset_id,
                datasets.c.delete_time.is_not(None),
            )
        )


def _dataset(row: Row[Any] | None) -> Dataset:
    if row is None:
        raise DatasetNotFound
    return Dataset(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        dimensions=tuple(row.dimensions),
        measures=tuple(row.measures),
        generation=row.generation,
        create_time=row.create_time,
    )
