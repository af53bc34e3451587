from tenon_auth.email_changes.repository import EmailChangeRepository
from tenon_auth.email_changes.service import FORGET
from tenon_auth.links.models import LIVES, Purpose
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Scope


class EmailChangeTasks:
    def __init__(self, database: Database, cipher: FieldCipher, users: UserService) -> None:
        self._database = database
        self._cipher = cipher
        self._users = users

    def types(self) -> list[JobType]:
        return [JobType(FORGET, self.forget, scope=Scope.USER)]

    async def forget(self, job: Job) -> None:
        """Forget the addresses that cannot be confirmed, or brought back, any more."""
        assert job.user_id is not None
        at = clock.now()
        async with self._database.user(job.user_id) as tx:
            changes = EmailChangeRepository(tx, self._cipher)
            await changes.delete_over(job.user_id, at, at - LIVES[Purpose.CHANGE_EMAIL])
            await self._users.release_within(tx, job.user_id)
            await job.complete(tx)
