"""What is done when an organization's time is over; each step may be repeated after a crash."""

from datetime import timedelta
from uuid import UUID

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.deleted_organizations import DeletedOrganizations, Erased, OrganizationRows
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue
from tenon_rpc.organization_data import organization_data_erased
from tenon_storage.storage import Storage
from tenon_tenancy import events
from tenon_tenancy.members.ending import MembershipEnding
from tenon_tenancy.organization_deletions.models import FOLDERS, KEPT, OrganizationDeletion
from tenon_tenancy.organization_deletions.repository import (
    EndingRepository,
    OrganizationDeletionRepository,
)

LATE = timedelta(hours=2)
"""When whoever was writing a file for the organization has ended."""


class OrganizationErasing:
    """Ends an organization, and destroys what tenancy holds of it: all rows of all tenants' tables,
    whatever slice they are of, but the audit log; and the folders where slices keep files of it.
    """

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        ending: MembershipEnding,
        storage: Storage,
    ) -> None:
        self._database = database
        self._queue = queue
        self._ending = ending
        self._storage = storage

    async def end(self, org_id: UUID, deletion_id: UUID) -> bool:
        """End all memberships, once; False if the deletion was undone meanwhile."""
        async with self._database.tenant(org_id) as tx:
            await self._ending.lock_row(tx)
            deletion = await OrganizationDeletionRepository(tx).find(org_id)
            if deletion is None or deletion.id != deletion_id:
                return False
            if deletion.end_time is None:
                await self._end(tx, deletion)
        return True

    async def erase(self, org_id: UUID) -> None:
        """Destroy what there is of an organization that has ended."""
        async with self._database.tenant(org_id) as tx:
            tables = await self._rows(tx).tables()
        for table in tables:
            gone = Erased(1)
            while gone != Erased():
                async with self._database.tenant(org_id) as tx:
                    gone = await self._rows(tx).bite(table)
                    await DeletedOrganizations(tx, self._database.schema).add(org_id, gone)
        files = sum([await self._storage.delete_folder(f"{name}/{org_id}") for name in FOLDERS])
        async with self._database.tenant(org_id) as tx:
            gone = Erased(rows=await EndingRepository(tx).remove(), files=files)
            await DeletedOrganizations(tx, self._database.schema).add(org_id, gone)

    async def tell(self, org_id: UUID, job: Job) -> None:
        """Say that nothing is left, end the job with it, and have another look later: who was on
        the way to write a file may have written it since.
        """
        async with self._database.tenant(org_id) as tx:
            erased = await DeletedOrganizations(tx, self._database.schema).erased(org_id)
            await tx.publish(organization_data_erased(org_id, erased))
            if "late" not in job.payload:
                late, run_at = {**job.payload, "late": True}, clock.now() + LATE
                await self._queue.enqueue(tx, job.type, late, org_id=org_id, run_at=run_at)
            await job.complete(tx)

    async def _end(self, tx: Transaction, deletion: OrganizationDeletion) -> None:
        """From this commit on nobody is a member, and nobody can write for the organization."""
        org_id = deletion.org_id
        closed = DeletedOrganizations(tx, self._database.schema)
        await closed.close(org_id)
        owner_ids = await self._ending.owners(tx)
        await OrganizationDeletionRepository(tx).end(deletion.id, clock.now(), owner_ids)
        await tx.publish(
            events.organization_deleted(org_id), events.organization_end_on_record(deletion)
        )
        await self._ending.renew_lists(tx)
        rows = await self._ending.end_all(tx)
        await closed.add(org_id, Erased(rows=rows))

    def _rows(self, tx: Transaction) -> OrganizationRows:
        return OrganizationRows(tx, self._database.schema, KEPT)
