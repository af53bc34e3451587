from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.rules import require_strong
from tenon_auth.sessions.models import LogIn
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.addresses import valid_address
from tenon_auth.users.models import User
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_policy.call import Call

MAX_NAME_CHARS = 100


class SignUpService:
    """How accounts are made."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        links: LinkService,
        credentials: Credentials,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._users = users
        self._links = links
        self._credentials = credentials
        self._sessions = sessions

    async def sign_up(
        self, call: Call, email: str, password: str, name: str, device: Device
    ) -> LogIn:
        """Make an account and log it in; EmailTaken, InvalidEmail, WeakPassword."""
        user = User(
            id=uuid7(),
            email=valid_address(email),
            name=_valid_name(name),
            email_verified=False,
            create_time=clock.now(),
        )
        require_strong(password, [user.email, user.name])
        password_hash = await self._credentials.hash(password)
        terms = await self._users.terms(user.email)
        async with self._database.user(user.id) as tx:
            await self._users.add_within(tx, user, terms)
            await self._credentials.add(tx, user.id, password_hash)
            log_in = await self._sessions.start(tx, user, device)
            link = await self._links.make(tx, user.id, Purpose.VERIFY_EMAIL)
            await tx.publish(
                events.user_signed_up(user.id, link.id),
                call.access(f"users/{user.id}", user_id=user.id),
            )
        return log_in


def _valid_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        message = f"must be 1 to {MAX_NAME_CHARS} printable characters"
        raise InvalidArgument(fields=[FieldError("/name", message)])
    return name
