from collections.abc import Sequence
from uuid import UUID

from tenon_auth import events
from tenon_auth.clients import Invitations
from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import LinkSpent, PasswordRequired, SignUpClosed
from tenon_auth.limits import SIGN_UPS
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.models import LIVES, Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.rules import require_strong
from tenon_auth.sessions.models import AuthMethod, LogIn
from tenon_auth.sessions.service import SessionService
from tenon_auth.sign_ups.models import Asked, PendingSignUp, SignUps
from tenon_auth.sign_ups.repository import PendingSignUpRepository
from tenon_auth.users.models import User
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.display_names import display_name, is_display_name, normal_name
from tenon_core.email_addresses import parse_new_address
from tenon_core.ids import uuid7
from tenon_crypto.keyring import Mac
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call

ASKED = "sign_ups.asked"
NAMELESS = "New user"


class SignUpService:
    """How accounts are made."""

    def __init__(
        self,
        database: Database,
        mode: SignUps,
        queue: JobQueue,
        invitations: Invitations,
        users: UserService,
        links: LinkService,
        devices: DeviceService,
        mails: LinkMails,
        credentials: Credentials,
        sessions: SessionService,
        *,
        smtputf8: bool,
    ) -> None:
        self._smtputf8 = smtputf8
        self._database = database
        self._mode = mode
        self._queue = queue
        self._invitations = invitations
        self._users = users
        self._links = links
        self._devices = devices
        self._mails = mails
        self._credentials = credentials
        self._sessions = sessions

    async def sign_up(
        self, call: Call, email: str, password: str, name: str, device: Device, invitation: str = ""
    ) -> LogIn | Asked:
        """Make an account and log it in, or have a link mailed. `invitation` is the token of one
        that was mailed: it shows whose the address is.

        SignUpClosed, InvalidEmail, WeakPassword; EmailTaken only where sign-up is open, or to who
        reads the address's mails; what tenancy refuses an invitation with.
        """
        if self._mode is SignUps.CLOSED and not invitation:
            raise SignUpClosed
        user = User(
            id=uuid7(),
            email=parse_new_address(email, smtputf8=self._smtputf8).display,
            name=display_name(name),
            email_verified=bool(invitation),
            create_time=clock.now(),
        )
        self._credentials.require_room()
        require_strong(password, [user.email, user.name])
        if invitation:
            await self._invitations.check(invitation, user.email)
        password_hash = await self._credentials.hash(password)
        terms = await self._users.terms(user.email)
        if self._mode is SignUps.VERIFIED and not invitation:
            device_token = self._devices.token_of(device)
            device_hash = self._devices.hash_for(user.id, device_token)
            await self._ask(user, password_hash, device_hash, terms)
            call.had_no_effect()  # what comes of it is on record when it is confirmed
            return Asked(device_token)
        return await self._make(call, user, password_hash, terms, device)

    async def confirm(self, call: Call, token: str, password: str, device: Device) -> LogIn:
        """Finish a sign-up by the mailed link, and log in.

        LinkSpent, EmailTaken, PasswordRequired, WeakPassword.
        """
        link = await self._links.read(token, Purpose.CONFIRM_SIGN_UP)
        password_hash = await self._hashed(link.owner_id, password) if password else None
        async with self._database.user(link.owner_id) as tx:
            await self._links.use(tx, link, Purpose.CONFIRM_SIGN_UP)
            await self._settle_password(tx, link.owner_id, password_hash, device)
            await self._users.claim_within(tx, link.owner_id)
            user = await self._users.get_within(tx, link.owner_id)
            log_in = await self._sessions.start(tx, call, user, device, [AuthMethod.LINK])
            await tx.publish(
                events.user_signed_up(user.id),
                call.access(f"users/{user.id}", user_id=user.id),
            )
        return log_in

    async def _hashed(self, user_id: UUID, password: str) -> str:
        async with self._database.user(user_id) as tx:
            user = await self._users.get_within(tx, user_id)
        self._credentials.require_room()
        require_strong(password, [user.email, user.name])
        return await self._credentials.hash(password)

    async def _settle_password(
        self, tx: Transaction, user_id: UUID, password_hash: str | None, device: Device
    ) -> None:
        """Take what was chosen now; else what was chosen at the sign-up, if it was begun here.

        Or somebody signs up with another's address, whose owner takes the mail for that which they
        wait for, and makes them an account that somebody else knows the password of.
        """
        sign_up = await PendingSignUpRepository(tx).remove(user_id)
        if sign_up is None:
            raise LinkSpent
        if password_hash:
            await self._credentials.replace(tx, user_id, password_hash)
        elif sign_up.device_hash != self._devices.hash_for(user_id, device.token):
            raise PasswordRequired

    async def verified_user(self, email: str, name: str) -> tuple[User, Sequence[Mac]]:
        """Return an account to be made for who has shown elsewhere that an address is theirs, and
        what it is looked up by; SignUpClosed, InvalidEmail.

        A person whose name is not valid here is called by the local part of the address.
        """
        if self._mode is SignUps.CLOSED:
            raise SignUpClosed
        email = parse_new_address(email).display
        user = User(
            id=uuid7(),
            email=email,
            name=_usable_name(name, email.partition("@")[0]),
            email_verified=True,
            create_time=clock.now(),
        )
        return user, await self._users.terms(email)

    async def _make(
        self, call: Call, user: User, password_hash: str, terms: Sequence[Mac], device: Device
    ) -> LogIn:
        async with self._database.user(user.id) as tx:
            await self._users.add_within(tx, user, terms)
            await self._credentials.add(tx, user.id, password_hash)
            log_in = await self._sessions.start(tx, call, user, device, [AuthMethod.PASSWORD])
            link_id = None if user.email_verified else await self._ask_to_verify(tx, user.id)
            at = None if user.email_verified else await self._mails.send_time(tx, user.email)
            await tx.publish(
                events.user_signed_up(user.id, link_id, at),
                call.access(f"users/{user.id}", user_id=user.id),
            )
        return log_in

    async def _ask_to_verify(self, tx: Transaction, user_id: UUID) -> UUID:
        return (await self._links.make(tx, user_id, Purpose.VERIFY_EMAIL)).id

    async def _ask(
        self, user: User, password_hash: str, device_hash: bytes, terms: Sequence[Mac]
    ) -> None:
        """Keep an account that has no address yet: several may wait for the same one.

        A job looks whether another has the address, and has one mail or the other sent. So the
        reply says the same, and as soon, for any. Above the limit the link is mailed later, and
        stands for all sign-ups until then: its reader can choose another password.
        """
        payload = {"user_id": str(user.id), "terms": [term.digest.hex() for term in terms]}
        async with self._database.user(user.id) as tx:
            counters = MailCounters(tx, self._database.schema)
            delay = await counters.reserve(SIGN_UPS, terms[0].digest, waiting=1)
            if delay is None:
                return
            mailbox_time = await self._mails.send_time(tx, user.email)
            run_at = max(user.create_time + delay, mailbox_time or user.create_time)
            await self._users.add_unclaimed_within(tx, user)
            await self._credentials.add(tx, user.id, password_hash)
            expire_time = user.create_time + LIVES[Purpose.CONFIRM_SIGN_UP]
            sign_up = PendingSignUp(user.id, expire_time, device_hash)
            await PendingSignUpRepository(tx).add(sign_up)
            await self._queue.enqueue(tx, ASKED, payload, run_at=run_at)


def _usable_name(*candidates: str) -> str:
    """Return the first that is a valid name; a provider and an address may have none."""
    names = map(normal_name, candidates)
    return next((name for name in names if is_display_name(name)), NAMELESS)
