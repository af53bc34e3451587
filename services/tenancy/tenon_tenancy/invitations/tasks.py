from tenon_db.database import Database
from tenon_jobs import Job, JobType, Scope
from tenon_tenancy.invitations.service import FORGET, InvitationService


class InvitationTasks:
    def __init__(self, database: Database, invitations: InvitationService) -> None:
        self._database = database
        self._invitations = invitations

    def types(self) -> list[JobType]:
        return [JobType(FORGET, self.forget, scope=Scope.ORGANIZATION)]

    async def forget(self, job: Job) -> None:
        """Forget the addresses that nobody came from."""
        assert job.org_id is not None
        async with self._database.tenant(job.org_id) as tx:
            await self._invitations.forget(tx, job.org_id)
            await job.complete(tx)
