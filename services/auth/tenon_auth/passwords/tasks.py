from tenon_auth import events
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.service import FORGOTTEN
from tenon_auth.users.service import UserService
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Scope


class PasswordTasks:
    def __init__(
        self, database: Database, users: UserService, links: LinkService, mails: LinkMails
    ) -> None:
        self._database = database
        self._users = users
        self._links = links
        self._mails = mails

    def types(self) -> list[JobType]:
        return [JobType(FORGOTTEN, self.mail_link, scope=Scope.SYSTEM)]

    async def mail_link(self, job: Job) -> None:
        """Have a link mailed to who has an address, if anybody has it."""
        user_id = await self._users.find_id([bytes.fromhex(term) for term in job.payload["terms"]])
        if user_id is None:
            return
        async with self._database.user(user_id) as tx:
            user = await self._users.get_within(tx, user_id)
            link = await self._links.make(tx, user_id, Purpose.RESET_PASSWORD, limited=False)
            at = None if user.email_verified else await self._mails.send_time(tx, user.email)
            await tx.publish(events.password_forgotten(user_id, link.id, at))
            await job.complete(tx)
