import dataclasses
import secrets
from datetime import timedelta
from uuid import UUID

from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.email_changes.models import RESERVED_LONGER, EmailChange
from tenon_auth.email_changes.repository import EmailChangeRepository
from tenon_auth.errors import (
    LinkNotFound,
    LinkSpent,
)
from tenon_auth.events import SessionEndCause
from tenon_auth.identities.service import IdentityService
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.models import Link, Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.sessions.service import SessionService
from tenon_auth.users import holding
from tenon_auth.users.models import User
from tenon_auth.users.service import UserService
from tenon_core.email_addresses import InvalidEmail, canonical_form, parse_new_address
from tenon_core.errors import FieldError
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call

FORGET = "email_changes.forget"
CONFIRM, UNDO = Purpose.CHANGE_EMAIL, Purpose.UNDO_EMAIL_CHANGE
TO_OLD_ADDRESS = (
    Purpose.RESET_PASSWORD,
    Purpose.LOG_IN,
    Purpose.VERIFY_EMAIL,
    Purpose.CHANGE_EMAIL,
)
"""Links that must not outlive a change: whoever reads the mails of another address has them."""
STOLEN_BEFORE = timedelta(days=1)
"""How long before they ask for a change thieves may have had the account."""


class EmailChangeService:
    """How an account gets another address.

    Whatever changes an address first locks the user's links, so one goes after the other.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        queue: JobQueue,
        users: UserService,
        devices: DeviceService,
        links: LinkService,
        mails: LinkMails,
        credentials: Credentials,
        factors: SecondFactors,
        identities: IdentityService,
        sessions: SessionService,
        *,
        smtputf8: bool,
    ) -> None:
        self._smtputf8 = smtputf8
        self._database = database
        self._cipher = cipher
        self._queue = queue
        self._users = users
        self._devices = devices
        self._links = links
        self._mails = mails
        self._credentials = credentials
        self._factors = factors
        self._identities = identities
        self._sessions = sessions

    async def request(self, call: Call, email: str) -> None:
        """Have a link mailed to a new address; InvalidEmail, TooManyMails.

        Whether somebody has it is looked up when the mail is sent: neither the reply nor its time
        tells.
        """
        email = parse_new_address(email, smtputf8=self._smtputf8).display
        async with self._database.user(call.user) as tx:
            user = await self._users.get_within(tx, call.user)
            if canonical_form(user.email) == canonical_form(email):
                raise InvalidEmail(fields=[FieldError("/email", "is your address already")])
            link = await self._links.make(tx, user.id, CONFIRM)
            change = EmailChange(uuid7(), user.id, email, link.id, link.create_time)
            await EmailChangeRepository(tx, self._cipher).add(change)
            await tx.publish(
                events.email_change_requested(
                    user.id, link.id, await self._mails.change_time(tx, email)
                ),
                call.access(f"users/{user.id}/email"),
            )
            await self._forget_later(tx, link)

    async def confirm(self, call: Call, token: str) -> User:
        """Take the new address by its link; LinkSpent, EmailTaken."""
        link = await self._links.read(token, CONFIRM)
        if link.owner_id != call.user:
            raise LinkSpent
        async with self._database.user(call.user) as tx:
            await self._links.lock(tx, call.user)
            await holding.lock(tx, call.user)
            await self._links.use(tx, link, CONFIRM)
            changes = EmailChangeRepository(tx, self._cipher)
            change = await changes.find_by_link(link.id)
            if change is None:
                raise LinkSpent
            await self._use_up_links(tx, call.user)
            undo = await self._keep_old(tx, change)
            kept = [one.kept for one in await changes.find_confirmed()]
            user = await self._users.change_address_within(tx, call.user, change.new_email, kept)
            await self._sessions.end_others(tx, call.session, SessionEndCause.EMAIL_CHANGED)
            await tx.publish(
                events.email_changed(user.id, undo.id if undo else None),
                call.access(f"users/{user.id}/email"),
            )
        return user

    async def undo(self, call: Call, token: str) -> None:
        """Put the address back that was there before a change; LinkSpent, TooManyLogIns.

        Who changed it may have the password, so that is good for nothing any more; nor is what was
        added to log in by, from a day before on.
        """
        link = await self._links.read(token, UNDO)
        unknown_password = await self._credentials.hash(secrets.token_urlsafe())
        async with self._database.user(link.owner_id) as tx:
            user_id = link.owner_id
            await self._links.lock(tx, user_id)
            await holding.lock(tx, user_id)  # no log-in is under way from here on
            await self._links.use(tx, link, UNDO)
            await self._credentials.replace(tx, user_id, unknown_password)
            await self._use_up_links(tx, user_id)
            undone = await self._restore(tx, user_id, link.id)
            since = undone.create_time - STOLEN_BEFORE
            await self._factors.withdraw(tx, user_id, since)
            await self._identities.withdraw(tx, user_id, since)
            await self._sessions.end_all(tx, SessionEndCause.EMAIL_CHANGED)
            await self._devices.forget_others(tx, user_id, Device())
            reset = await self._links.make(tx, user_id, Purpose.RESET_PASSWORD, limited=False)
            await self._sessions.adopt(tx, call)
            await tx.publish(
                events.email_change_undone(user_id, reset.id),
                call.access(f"users/{user_id}/email", user_id=user_id),
            )

    async def get_recipient(self, user_id: UUID | None, link_id: UUID | None) -> str:
        """Return the address that a change's link is mailed to; LinkNotFound, also where it has
        become somebody else's.
        """
        if user_id is None or link_id is None:
            raise LinkNotFound
        async with self._database.user(user_id) as tx:
            change = await EmailChangeRepository(tx, self._cipher).find_by_link(link_id)
        recipient = change.recipient(link_id) if change else None
        if recipient is None:
            raise LinkNotFound
        terms = await self._users.terms(recipient)
        owner = await self._users.find_id([term.digest for term in terms])
        if owner not in (None, user_id):
            raise LinkNotFound
        return recipient

    async def _keep_old(self, tx: Transaction, change: EmailChange) -> Link | None:
        """Keep the address that an account has, and return a link that brings it back; None if it
        was not verified: then it may be a stranger's, who would get the account with the link.
        """
        changes = EmailChangeRepository(tx, self._cipher)
        user = await self._users.get_within(tx, change.user_id)
        undo = None
        if user.email_verified:
            undo = await self._links.make(tx, user.id, UNDO, limited=False)
            await changes.update(
                dataclasses.replace(
                    change,
                    old_email=user.email,
                    undo_link_id=undo.id,
                    confirm_time=undo.create_time,
                    release_time=undo.expire_time + RESERVED_LONGER,
                )
            )
            await self._forget_later(tx, undo)
        await changes.delete_pending(user.id)
        return undo

    async def _restore(self, tx: Transaction, user_id: UUID, link_id: UUID) -> EmailChange:
        """Make the address what it was before the change of this link, which is returned, as if
        neither that nor any later one had been.
        """
        changes = EmailChangeRepository(tx, self._cipher)
        confirmed = await changes.find_confirmed()
        links = [change.undo_link_id for change in confirmed]
        if link_id not in links:  # one before it was undone
            raise LinkSpent
        earlier, undone = confirmed[: links.index(link_id)], confirmed[links.index(link_id) :]
        kept = [change.kept for change in earlier]
        await self._users.change_address_within(tx, user_id, undone[0].kept.email, kept)
        await changes.delete(user_id, [change.id for change in undone])
        await changes.delete_pending(user_id)
        return undone[0]

    async def _use_up_links(self, tx: Transaction, user_id: UUID) -> None:
        for purpose in TO_OLD_ADDRESS:
            await self._links.use_up(tx, user_id, purpose)

    async def _forget_later(self, tx: Transaction, link: Link) -> None:
        """Have the addresses forgotten when the link is over."""
        run_at = link.expire_time + RESERVED_LONGER
        payload = {"user_id": str(link.user_id)}
        await self._queue.enqueue(tx, FORGET, payload, user_id=link.user_id, run_at=run_at)
