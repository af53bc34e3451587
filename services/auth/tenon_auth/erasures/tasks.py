from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from tenon_auth.erasures.repository import ErasureRepository
from tenon_auth.erasures.service import CARRY_OUT, ErasureService
from tenon_auth.errors import LastOwner
from tenon_core import clock
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Recurring, Scope

REPEAT = "erasures.repeat"
HOURLY = "41 * * * *"
OVERDUE = timedelta(hours=1)
BATCH = 100


class ErasureTasks:
    def __init__(self, database: Database, erasures: ErasureService) -> None:
        self._database = database
        self._erasures = erasures

    def types(self) -> list[JobType]:
        return [
            JobType(
                CARRY_OUT,
                self.carry_out,
                max_attempts=1_000,
                longest_delay=3_600.0,
                scope=Scope.USER,
            ),
            JobType(REPEAT, self.repeat, scope=Scope.SYSTEM),
        ]

    def recurring(self) -> list[Recurring]:
        return [Recurring(REPEAT, HOURLY, REPEAT)]

    async def carry_out(self, job: Job) -> None:
        with suppress(LastOwner):  # since it was begun; the account goes on
            await self._erasures.carry_out(UUID(job.payload["user_id"]))

    async def repeat(self, _: Job) -> None:
        """Ask again for the receipts that are overdue: a service may have lost an event with its
        database, or the operator has made erasures unfinished after restoring one.
        """
        async with self._database.system("erasures") as tx:
            user_ids = await ErasureRepository(tx).find_open(clock.now() - OVERDUE, BATCH)
        for user_id in user_ids:
            async with self._database.user(user_id) as tx:
                await self._erasures.repeat(tx, user_id)
