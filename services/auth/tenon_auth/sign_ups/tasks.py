from uuid import UUID

from tenon_auth.links.service import LinkService
from tenon_auth.passwords.repository import CredentialRepository
from tenon_auth.sign_ups.repository import PendingSignUpRepository
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Recurring, Scope

GIVE_UP = "sign_ups.give_up"
HOURLY = "23 * * * *"
BATCH = 100


class SignUpTasks:
    def __init__(self, database: Database, users: UserService, links: LinkService) -> None:
        self._database = database
        self._users = users
        self._links = links

    def types(self) -> list[JobType]:
        return [JobType(GIVE_UP, self.give_up, scope=Scope.SYSTEM)]

    def recurring(self) -> list[Recurring]:
        return [Recurring(GIVE_UP, HOURLY, GIVE_UP)]

    async def give_up(self, _: Job) -> None:
        """Remove the accounts that nobody has confirmed in time, with all that was said of them."""
        while user_ids := await self._expired():
            for user_id in user_ids:
                await self._remove(user_id)

    async def _expired(self) -> list[UUID]:
        async with self._database.system("sign-ups") as tx:
            return await PendingSignUpRepository(tx).find_expired(clock.now(), BATCH)

    async def _remove(self, user_id: UUID) -> None:
        async with self._database.user(user_id) as tx:
            if await PendingSignUpRepository(tx).remove(user_id):
                await self._links.remove_all(tx, user_id)
                await CredentialRepository(tx).remove(user_id)
                await self._users.remove_within(tx, user_id)
