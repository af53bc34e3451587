from uuid import UUID

from tenon_auth import events
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.log_in_links.service import REQUESTED
from tenon_auth.users.service import UserService
from tenon_core.events import Event
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType, Scope


class LogInLinkTasks:
    def __init__(
        self, database: Database, users: UserService, links: LinkService, mails: LinkMails
    ) -> None:
        self._database = database
        self._users = users
        self._links = links
        self._mails = mails

    def types(self) -> list[JobType]:
        return [JobType(REQUESTED, self.mail_link, scope=Scope.SYSTEM)]

    async def mail_link(self, job: Job) -> None:
        """Have a link mailed to the user who has an address, if any has."""
        user_id = await self._users.find_id([bytes.fromhex(term) for term in job.payload["terms"]])
        if user_id is None:
            return
        async with self._database.user(user_id) as tx:
            await tx.publish(await self._link(tx, user_id))
            await job.complete(tx)

    async def _link(self, tx: Transaction, user_id: UUID) -> Event:
        """Make the link and return its event.

        An unverified account may have been made by somebody else who knows its password. A log-in
        would verify the address and leave them in, so its user has to choose a new password.
        """
        user = await self._users.get_within(tx, user_id)
        if user.email_verified:
            link = await self._links.make(tx, user_id, Purpose.LOG_IN, limited=False)
            return events.log_in_link_requested(user_id, link.id)
        link = await self._links.make(tx, user_id, Purpose.RESET_PASSWORD, limited=False)
        at = await self._mails.send_time(tx, user.email)
        return events.password_forgotten(user_id, link.id, at)
