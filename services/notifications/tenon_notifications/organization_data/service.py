from uuid import UUID

from tenon_db.database import Database
from tenon_db.deleted_organizations import DeletedOrganizations, Erased
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue
from tenon_notifications.emails.service import EmailService
from tenon_rpc.organization_data import organization_data_erased

ERASE = "organization_data.erase"


class OrganizationDataService:
    """What notifications holds of an organization: which mails were about it, and to whom."""

    def __init__(self, database: Database, queue: JobQueue, emails: EmailService) -> None:
        self._database = database
        self._queue = queue
        self._emails = emails

    async def request(self, tx: Transaction, org_id: UUID) -> None:
        """Take nothing more for an organization, and have a job destroy what there is."""
        await DeletedOrganizations(tx, self._database.schema).close(org_id)
        await self._queue.enqueue(tx, ERASE, {}, org_id=org_id)

    async def erase(self, org_id: UUID) -> None:
        """Destroy it person by person, for their mails are theirs."""
        while user_ids := await self._emails.recipients_of(org_id):
            for user_id in user_ids:
                async with self._database.user(user_id) as tx:
                    rows = await self._emails.forget_organization(tx, org_id)
                    deleted = DeletedOrganizations(tx, self._database.schema)
                    await deleted.add(org_id, Erased(rows=rows))

    async def tell(self, org_id: UUID, job: Job) -> None:
        """Say that nothing is left, and end the job with it."""
        async with self._database.tenant(org_id) as tx:
            erased = await DeletedOrganizations(tx, self._database.schema).erased(org_id)
            await tx.publish(organization_data_erased(org_id, erased))
            await job.complete(tx)
