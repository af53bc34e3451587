from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call
from tenon_reports.datasets import models
from tenon_reports.datasets.models import Dataset
from tenon_reports.datasets.repository import DatasetRepository
from tenon_reports.errors import ColumnsNotAppended, DatasetNotFound

PURGE = "datasets.purge"
CHANGEABLE = frozenset({"name", "dimensions", "measures"})


class DatasetService:
    """Datasets. The `…_within` methods are for siblings that hold a transaction."""

    def __init__(self, database: Database, queue: JobQueue) -> None:
        self._database = database
        self._queue = queue

    async def create(
        self,
        call: Call,
        name: str,
        time_zone: str,
        dimensions: Sequence[str],
        measures: Sequence[str],
    ) -> Dataset:
        dataset = Dataset(
            id=uuid7(),
            name=name,
            time_zone=time_zone or "UTC",
            dimensions=tuple(dimensions),
            measures=tuple(measures),
            generation=0,
            create_time=clock.now(),
        )
        _require_valid(dataset)
        async with self._database.tenant(call.org) as tx:
            await DatasetRepository(tx).add(dataset)
            await tx.publish(call.access(f"datasets/{dataset.id}"))
        return dataset

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Dataset]:
        """List them, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await DatasetRepository(tx).page(before, size + 1)
        return cut(found, size, lambda one: (one.id,))

    async def get(self, call: Call, dataset_id: UUID | None) -> Dataset:
        async with self._database.tenant(call.org) as tx:
            return await self.get_within(tx, dataset_id)

    async def update(
        self,
        call: Call,
        dataset_id: UUID | None,
        changes: Mapping[str, str | Sequence[str]],
    ) -> Dataset:
        """Change the named fields; ColumnsNotAppended, DatasetNameTaken."""
        if unknown := sorted(changes.keys() - CHANGEABLE):
            raise InvalidArgument(
                fields=[FieldError("/update_mask", f"{unknown[0]} cannot be changed")]
            )
        async with self._database.tenant(call.org) as tx:
            repository = DatasetRepository(tx)
            present = await repository.lock(dataset_id)
            changed = _changed(present, changes)
            if changed != present:
                changed = await repository.update(
                    present.id,
                    {
                        "name": changed.name,
                        "dimensions": list(changed.dimensions),
                        "measures": list(changed.measures),
                    },
                )
            old, new = (
                {name: getattr(one, name) for name in changes} for one in (present, changed)
            )
            await tx.publish(call.update(f"datasets/{present.id}", old, new))
        return changed

    async def delete(self, call: Call, dataset_id: UUID | None) -> None:
        """Hide the dataset at once; a job removes what it holds."""
        async with self._database.tenant(call.org) as tx:
            await DatasetRepository(tx).mark_deleted(dataset_id)
            await self._queue.enqueue(tx, PURGE, {"dataset_id": str(dataset_id)}, org_id=call.org)
            await tx.publish(call.access(f"datasets/{dataset_id}"))

    async def get_within(self, tx: Transaction, dataset_id: UUID | None) -> Dataset:
        if dataset_id is None:
            raise DatasetNotFound
        return await DatasetRepository(tx).get(dataset_id)

    async def next_generation_within(self, tx: Transaction, dataset_id: UUID) -> int:
        return await DatasetRepository(tx).next_generation(dataset_id)

    async def delete_all_within(self, tx: Transaction) -> Sequence[UUID]:
        """Hide all datasets of an organization; return those that are there to be removed."""
        repository = DatasetRepository(tx)
        await repository.mark_all_deleted()
        return await repository.ids()

    async def remove(self, org_id: UUID, dataset_id: UUID) -> None:
        """Remove the row of a deleted dataset that holds nothing any more."""
        async with self._database.tenant(org_id) as tx:
            await DatasetRepository(tx).remove(dataset_id)


def _require_valid(dataset: Dataset, former_name: str | None = None) -> None:
    """Refuse what no dataset can be; a name from before a rule stays until it is changed."""
    errors = [
        *([] if former_name == dataset.name else models.name_errors(dataset.name)),
        *models.zone_errors(dataset.time_zone),
        *models.column_errors(dataset.dimensions, dataset.measures),
    ]
    if errors:
        raise InvalidArgument(fields=errors)


def _changed(present: Dataset, changes: Mapping[str, str | Sequence[str]]) -> Dataset:
    changed = Dataset(
        id=present.id,
        name=cast("str", changes.get("name", present.name)),
        time_zone=present.time_zone,
        dimensions=tuple(changes.get("dimensions", present.dimensions)),
        measures=tuple(changes.get("measures", present.measures)),
        generation=present.generation,
        create_time=present.create_time,
    )
    _require_valid(changed, present.name)
    for before, after in (
        (present.dimensions, changed.dimensions),
        (present.measures, changed.measures),
    ):
        if after[: len(before)] != before:
            raise ColumnsNotAppended
    return changed
