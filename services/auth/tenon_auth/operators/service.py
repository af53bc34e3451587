from uuid import UUID

from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.events import SessionEndCause
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.rules import require_strong
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.models import User
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.display_names import display_name
from tenon_core.email_addresses import parse_address, parse_new_address
from tenon_core.errors import NotFound
from tenon_core.ids import uuid7
from tenon_db.database import Database

NO_DEVICE = Device()


class OperatorService:
    """What an operator does with accounts. `operator` says who it is; each deed is on record in
    the log of the user whom it concerns.
    """

    def __init__(
        self,
        database: Database,
        users: UserService,
        devices: DeviceService,
        links: LinkService,
        credentials: Credentials,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._users = users
        self._devices = devices
        self._links = links
        self._credentials = credentials
        self._sessions = sessions

    async def create_user(self, operator: str, email: str, name: str, password: str) -> User:
        """Make an account whose address counts as verified, however sign-up is set.

        InvalidEmail, InvalidArgument, WeakPassword, EmailTaken.
        """
        user = User(
            id=uuid7(),
            email=parse_new_address(email).display,
            name=display_name(name),
            email_verified=True,
            create_time=clock.now(),
        )
        require_strong(password, [user.email, user.name])
        password_hash = await self._credentials.hash(password)
        terms = await self._users.terms(user.email)
        async with self._database.user(user.id) as tx:
            await self._users.add_within(tx, user, terms)
            await self._credentials.add(tx, user.id, password_hash)
            await tx.publish(
                events.user_signed_up(user.id),
                events.operated("create_user", operator, f"users/{user.id}", user.id),
            )
        return user

    async def mail_reset(self, operator: str, email: str) -> None:
        """Have a link mailed by which the user chooses a new password; NotFound."""
        user_id = await self._find(email)
        async with self._database.user(user_id) as tx:
            link = await self._links.make(tx, user_id, Purpose.RESET_PASSWORD, limited=False)
            await tx.publish(
                events.password_forgotten(user_id, link.id),
                events.operated("mail_reset", operator, f"users/{user_id}/password", user_id),
            )

    async def set_password(self, operator: str, email: str, new: str) -> None:
        """Replace a password, end all sessions and forget all devices; NotFound, WeakPassword."""
        user_id = await self._find(email)
        async with self._database.user(user_id) as tx:
            user = await self._users.get_within(tx, user_id)
        require_strong(new, [user.email, user.name])
        password_hash = await self._credentials.hash(new)
        async with self._database.user(user_id) as tx:
            await self._credentials.replace(tx, user_id, password_hash)
            await self._sessions.end_all(tx, SessionEndCause.PASSWORD_CHANGED)
            await self._devices.forget_others(tx, user_id, NO_DEVICE)
            await tx.publish(
                events.password_changed(user_id),
                events.operated("set_password", operator, f"users/{user_id}/password", user_id),
            )

    async def end_sessions(self, operator: str, email: str) -> None:
        """End all sessions of a user; NotFound."""
        user_id = await self._find(email)
        async with self._database.user(user_id) as tx:
            await self._sessions.end_all(tx, SessionEndCause.REVOKED)
            await tx.publish(events.operated("end_sessions", operator, "sessions", user_id))

    async def _find(self, email: str) -> UUID:
        terms = await self._users.terms(parse_address(email).display)
        user_id = await self._users.find_id([term.digest for term in terms])
        if user_id is None:
            raise NotFound("There is no account with this address.")
        return user_id
