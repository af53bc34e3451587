from uuid import UUID

from tenon_auth import events
from tenon_auth.links.models import LIVES, Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.repository import CredentialRepository
from tenon_auth.sign_ups.repository import PendingSignUpRepository
from tenon_auth.sign_ups.service import ASKED
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
        return [
            JobType(ASKED, self.answer, scope=Scope.SYSTEM),
            JobType(GIVE_UP, self.give_up, scope=Scope.SYSTEM),
        ]

    def recurring(self) -> list[Recurring]:
        return [Recurring(GIVE_UP, HOURLY, GIVE_UP)]

    async def answer(self, job: Job) -> None:
        """Have a mail sent to the address of an account that waits: to confirm it, or that there is
        another one, whose owner may have forgotten it.
        """
        user_id = UUID(job.payload["user_id"])
        known = await self._users.find_id([bytes.fromhex(term) for term in job.payload["terms"]])
        if known is None:
            await self._ask_to_confirm(user_id, job)
        else:
            await self._remove(user_id)
            await self._tell(known, job)

    async def _ask_to_confirm(self, user_id: UUID, job: Job) -> None:
        async with self._database.user(user_id) as tx:
            expire_time = clock.now() + LIVES[Purpose.CONFIRM_SIGN_UP]
            if await PendingSignUpRepository(tx).keep_until(user_id, expire_time):
                link = await self._links.make(tx, user_id, Purpose.CONFIRM_SIGN_UP)
                await tx.publish(events.sign_up_requested(user_id, link.id))
            await job.complete(tx)

    async def _tell(self, user_id: UUID, job: Job) -> None:
        async with self._database.user(user_id) as tx:
            link = await self._links.make(tx, user_id, Purpose.RESET_PASSWORD, limited=False)
            await tx.publish(events.sign_up_repeated(user_id, link.id))
            await job.complete(tx)

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
