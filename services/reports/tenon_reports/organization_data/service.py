from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.deleted_organizations import (
    DeletedOrganizations,
    Erased,
    OrganizationRows,
    TenantsTable,
)
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue
from tenon_reports.datasets.service import DatasetService
from tenon_reports.ingest.service import IngestService
from tenon_reports.runs.service import RunService
from tenon_rpc.organization_data import organization_data_erased
from tenon_storage.storage import Storage

ERASE = "organization_data.erase"
LATE = timedelta(hours=2)
"""When whoever was writing a file for the organization has ended: an upload may take an hour."""
OF_INGEST = frozenset({"events"})
"""They are removed dataset by dataset, in the order of their index."""


class OrganizationDataService:
    """What reports holds of an organization: rows of all tenants' tables, and stored files."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        datasets: DatasetService,
        ingest: IngestService,
        runs: RunService,
    ) -> None:
        self._database = database
        self._queue = queue
        self._storage = storage
        self._datasets = datasets
        self._ingest = ingest
        self._runs = runs

    async def request(self, tx: Transaction, org_id: UUID) -> None:
        """Take nothing more for an organization, and have a job destroy what there is."""
        await DeletedOrganizations(tx, self._database.schema).close(org_id)
        await self._queue.enqueue(tx, ERASE, {}, org_id=org_id)

    async def erase(self, org_id: UUID) -> None:
        """Destroy all that is held of a deleted organization; what is gone already is no error."""
        async with self._database.tenant(org_id) as tx:
            await self._runs.stop_all_within(tx)
            dataset_ids = await self._datasets.delete_all_within(tx)
            tables = await self._rows(tx).tables()
        await self._runs.abandon_all(org_id)
        for dataset_id in dataset_ids:
            await self._erase_all(org_id, partial(self._ingest.purge_within, dataset_id))
        for table in tables:
            await self._erase_all(org_id, partial(self._bite, table))
        files = await self._storage.delete_folder(f"orgs/{org_id}")
        async with self._database.tenant(org_id) as tx:
            await DeletedOrganizations(tx, self._database.schema).add(org_id, Erased(files=files))

    async def tell(self, org_id: UUID, job: Job, *, late: bool) -> None:
        """Say that nothing is left, end the job with it, and have another look later: who was on
        the way to write a file may have written it since.
        """
        async with self._database.tenant(org_id) as tx:
            erased = await DeletedOrganizations(tx, self._database.schema).erased(org_id)
            await tx.publish(organization_data_erased(org_id, erased))
            if not late:
                run_at = clock.now() + LATE
                await self._queue.enqueue(tx, ERASE, {"late": True}, org_id=org_id, run_at=run_at)
            await job.complete(tx)

    async def _erase_all(
        self, org_id: UUID, bite: Callable[[Transaction], Awaitable[Erased]]
    ) -> None:
        """Destroy in small transactions, until there is nothing left."""
        gone = None
        while gone != Erased():
            async with self._database.tenant(org_id) as tx:
                gone = await bite(tx)
                await DeletedOrganizations(tx, self._database.schema).add(org_id, gone)

    async def _bite(self, table: TenantsTable, tx: Transaction) -> Erased:
        return await self._rows(tx).bite(table)

    def _rows(self, tx: Transaction) -> OrganizationRows:
        return OrganizationRows(tx, self._database.schema, OF_INGEST)
