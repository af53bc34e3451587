from uuid import UUID

from tenon_db.database import Database
from tenon_jobs import Job, JobType, Scope
from tenon_tenancy import events
from tenon_tenancy.members.service import MemberService

ERASE = "personal_data.erase"


class PersonalDataTasks:
    def __init__(self, database: Database, members: MemberService) -> None:
        self._database = database
        self._members = members

    def types(self) -> list[JobType]:
        return [JobType(ERASE, self.erase, max_attempts=1_000, scope=Scope.USER)]

    async def erase(self, job: Job) -> None:
        """Remove who is no more from where they came to belong since they were released.

        Their logs stay: what they did, by an id that means nothing any more.
        """
        user_id = UUID(job.payload["user_id"])
        rows = await self._members.remove_erased(user_id)
        async with self._database.user(user_id) as tx:
            await tx.publish(events.personal_data_erased(user_id, rows))
            await job.complete(tx)
