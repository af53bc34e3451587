import asyncio
from collections.abc import Sequence
from uuid import UUID

from tenon_core.slots import Holder, Slots
from tenon_db.database import Database
from tenon_db.deleted_organizations import Erased
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_reports.datasets.models import Dataset
from tenon_reports.datasets.service import DatasetService
from tenon_reports.ingest.batch import Batch, batch_of_events
from tenon_reports.ingest.models import Answer, NewEvent, Outcome, Receipt, Taken
from tenon_reports.ingest.repository import EventRepository, PurgeRepository, make_partition
from tenon_reports.limits import INGESTS


class IngestService:
    """The one way in for events: of requests and of files."""

    def __init__(self, database: Database, datasets: DatasetService, slots: int) -> None:
        self._database = database
        self._datasets = datasets
        self._years: set[int] = set()
        self._slots = Slots(INGESTS, slots)

    async def ingest(self, call: Call, dataset_id: UUID | None, new: Sequence[NewEvent]) -> Answer:
        """Take a request's events and say what became of each; LimitExceeded."""
        async with self._slots.held(Holder(call.account_id or call.org, call.org)):
            return await self._ingest(call, dataset_id, new)

    async def _ingest(self, call: Call, dataset_id: UUID | None, new: Sequence[NewEvent]) -> Answer:
        dataset = await self._datasets.get(call, dataset_id)
        batch = await asyncio.to_thread(batch_of_events, dataset, new)
        await self.make_room(batch)
        async with self._database.tenant(call.org) as tx:
            taken = await self.take_within(tx, dataset, batch)
            await tx.publish(call.access(f"datasets/{dataset.id}"))
        return Answer(taken.accepted, _receipts(new, batch, taken))

    async def make_room(self, batch: Batch) -> None:
        """Make the partitions that the batch needs.

        They are made in a transaction of their own: it would hold off others until its end.
        """
        for year in batch.years() - self._years:
            async with self._database.system("partitions") as tx:
                await make_partition(tx, year)
            self._years.add(year)

    async def take_within(self, tx: Transaction, dataset: Dataset, batch: Batch) -> Taken:
        """Take a batch for which there is room; DatasetNotFound if it was deleted."""
        if not batch.places:
            return Taken(0)
        repository = EventRepository(tx, dataset)
        claimed = await repository.stage(batch)
        if claimed:
            # As late as can be: from here on, batches of the dataset follow one another.
            generation = await self._datasets.next_generation_within(tx, dataset.id)
            await repository.store(generation, claimed)
            await repository.count(claimed)
        return await repository.taken(claimed)

    async def purge(self, org_id: UUID, dataset_id: UUID) -> None:
        """Remove the events of a deleted dataset."""
        gone = None
        while gone != Erased():
            async with self._database.tenant(org_id) as tx:
                gone = await self.purge_within(dataset_id, tx)

    async def purge_within(self, dataset_id: UUID, tx: Transaction) -> Erased:
        """Remove some events of a deleted dataset, or some of their keys; none if none are left."""
        return Erased(rows=await PurgeRepository(tx, dataset_id).bite())


def _receipts(new: Sequence[NewEvent], batch: Batch, taken: Taken) -> tuple[Receipt, ...]:
    told = [
        *((place, Outcome.REJECTED, reason) for place, reason in batch.failures.items()),
        *((place, Outcome.DUPLICATE, "") for place in taken.duplicates),
        *((place, Outcome.CONFLICT, "") for place in taken.conflicts),
    ]
    return tuple(
        Receipt(place, new[place].id, outcome, reason) for place, outcome, reason in sorted(told)
    )
