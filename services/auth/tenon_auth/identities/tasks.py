from tenon_auth.identities.repository import SpentFlowRepository
from tenon_core import clock
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Recurring, Scope

FORGET = "identities.forget_flows"
HOURLY = "41 * * * *"


class IdentityTasks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def types(self) -> list[JobType]:
        return [JobType(FORGET, self.forget_flows, scope=Scope.SYSTEM)]

    def recurring(self) -> list[Recurring]:
        return [Recurring(FORGET, HOURLY, FORGET)]

    async def forget_flows(self, _: Job) -> None:
        """Forget the finished log-ins that nobody could finish again."""
        async with self._database.system("log in") as tx:
            await SpentFlowRepository(tx).remove_expired(clock.now())
