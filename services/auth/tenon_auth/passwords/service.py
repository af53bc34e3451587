from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import InvalidCredentials, NoPassword, WrongPassword
from tenon_auth.events import SessionEndCause
from tenon_auth.limits import RESETS
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.rules import require_strong
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.holding import lock
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.email_addresses import parse_address
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_jobs import JobQueue
from tenon_policy.call import Call

FORGOTTEN = "passwords.forgotten"
RESET = Purpose.RESET_PASSWORD


class PasswordService:
    """How passwords are replaced."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        users: UserService,
        devices: DeviceService,
        links: LinkService,
        credentials: Credentials,
        factors: SecondFactors,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._queue = queue
        self._users = users
        self._devices = devices
        self._links = links
        self._credentials = credentials
        self._factors = factors
        self._sessions = sessions

    async def forget(self, email: str) -> None:
        """Have a link mailed to whoever has the address; InvalidEmail.

        A job looks that up: so the reply says the same, and as soon, whether anybody has it. Above
        the limit the link is mailed later, and answers all requests until then: nobody can keep
        the owner from it by requesting links.
        """
        terms = await self._users.terms(parse_address(email).display)
        payload = {"terms": [term.digest.hex() for term in terms]}
        async with self._database.system("forgotten password") as tx:
            counters = MailCounters(tx, self._database.schema)
            delay = await counters.reserve(RESETS, terms[0].digest, waiting=1)
            if delay is not None:
                await self._queue.enqueue(tx, FORGOTTEN, payload, run_at=clock.now() + delay)

    async def reset(self, call: Call, token: str, new: str, device: Device) -> str:
        """Replace a password by a mailed link, and end all sessions; LinkSpent, WeakPassword.

        Returns the token of the device, on which others' guesses keep nobody from the log-in.
        """
        link = await self._links.read(token, RESET)
        async with self._database.user(link.owner_id) as tx:
            user = await self._users.get_within(tx, link.owner_id)
        self._credentials.require_room()
        require_strong(new, [user.email, user.name], "/new_password")
        password_hash = await self._credentials.hash(new)
        async with self._database.user(user.id) as tx:
            await lock(tx, user.id)  # no log-in is under way from here on, nor a second factor
            await self._links.use(tx, link, RESET)
            await self._credentials.replace(tx, user.id, password_hash)
            if not user.email_verified:  # whoever signed up with it may have been somebody else
                await self._factors.withdraw(tx, user.id, user.create_time)
            await self._sessions.end_all(tx, SessionEndCause.PASSWORD_CHANGED)
            await self._devices.forget_others(tx, user.id, device)
            device_token, _ = await self._devices.remember(tx, user.id, device)
            await self._users.set_verified_within(tx, user.id)  # who has the link reads the mail
            await self._sessions.adopt(tx, call)
            await tx.publish(
                events.password_changed(user.id),
                call.access(f"users/{user.id}/password", user_id=user.id),
            )
        return device_token

    async def change(self, call: Call, current: str, new: str, device: Device) -> None:
        """Replace one's own password, and end one's other sessions; NoPassword, WrongPassword,
        WeakPassword, TooManyGuesses.
        """
        async with self._database.user(call.user) as tx:
            user = await self._users.get_within(tx, call.user)
            if not await self._credentials.has_password(tx):
                raise NoPassword
        require_strong(new, [user.email, user.name], "/new_password")
        try:
            credential = await self._credentials.verify(user.email, current, device)
            password_hash = await self._credentials.hash(new)
            async with self._database.user(user.id) as tx:
                await self._credentials.replace(tx, user.id, password_hash, credential)
                await self._sessions.end_others(tx, call.session, SessionEndCause.PASSWORD_CHANGED)
                await self._devices.forget_others(tx, user.id, device)
                await tx.publish(
                    events.password_changed(user.id), call.access(f"users/{user.id}/password")
                )
        except InvalidCredentials:
            raise WrongPassword from None
