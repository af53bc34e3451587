from datetime import timedelta
from uuid import UUID

from tenon_core import clock
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Recurring, Scope
from tenon_tenancy.organization_deletions.erasing import OrganizationErasing
from tenon_tenancy.organization_deletions.repository import OrganizationDeletionRepository
from tenon_tenancy.organization_deletions.service import CARRY_OUT, OrganizationDeletionService

REPEAT = "organization_deletions.repeat"
HOURLY = "47 * * * *"
OVERDUE = timedelta(hours=1)
BATCH = 100


class OrganizationDeletionTasks:
    def __init__(
        self,
        database: Database,
        deletions: OrganizationDeletionService,
        erasing: OrganizationErasing,
    ) -> None:
        self._database = database
        self._deletions = deletions
        self._erasing = erasing

    def types(self) -> list[JobType]:
        return [
            JobType(CARRY_OUT, self.carry_out, max_attempts=1_000, longest_delay=3_600.0),
            JobType(REPEAT, self.repeat, scope=Scope.SYSTEM),
        ]

    def recurring(self) -> list[Recurring]:
        return [Recurring(REPEAT, HOURLY, REPEAT)]

    async def carry_out(self, job: Job) -> None:
        assert job.org_id is not None
        if await self._erasing.end(job.org_id, UUID(job.payload["deletion_id"])):
            await self._erasing.erase(job.org_id)
            await self._erasing.tell(job.org_id, job)

    async def repeat(self, _: Job) -> None:
        """Ask again for the receipts that are overdue: a service may have lost an event with its
        database, or the operator has made deletions unfinished after restoring one.
        """
        async with self._database.system("organization deletions") as tx:
            open_ones = OrganizationDeletionRepository(tx).find_open(clock.now() - OVERDUE, BATCH)
            org_ids = await open_ones
        for org_id in org_ids:
            async with self._database.tenant(org_id) as tx:
                await self._deletions.repeat(tx, org_id)
