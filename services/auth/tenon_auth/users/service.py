from collections.abc import Sequence
from uuid import UUID

from tenon_auth import events
from tenon_auth.errors import EmailTaken
from tenon_auth.sessions.models import Device, LogIn
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.addresses import comparable, valid_address
from tenon_auth.users.models import User
from tenon_auth.users.passwords import PasswordHasher, require_strong
from tenon_auth.users.repository import UserRepository
from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_policy.call import Call

MAX_NAME_CHARS = 100
MAX_BATCH = 1_000


class UserService:
    """Accounts."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        addresses: BlindIndex,
        passwords: PasswordHasher,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._addresses = addresses
        self._passwords = passwords
        self._sessions = sessions

    async def sign_up(
        self, call: Call, email: str, password: str, name: str, device: Device
    ) -> LogIn:
        """Make an account and log it in."""
        user = User(
            id=uuid7(),
            email=valid_address(email),
            name=_valid_name(name),
            email_verified=False,
            create_time=clock.now(),
        )
        require_strong(password)
        password_hash = await self._passwords.hash(password)
        terms = await self._addresses.terms(comparable(user.email))
        async with self._database.user(user.id) as tx:
            users = UserRepository(tx, self._cipher)
            if not await users.claim(user.id, terms):
                raise EmailTaken
            await users.add(user, password_hash)
            log_in = await self._sessions.start(tx, user, device)
            await tx.publish(
                events.user_signed_up(user.id),
                call.access(f"users/{user.id}", user_id=user.id),
            )
        return log_in

    async def batch_get(self, user_ids: Sequence[UUID]) -> list[User]:
        if len(user_ids) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/ids", f"must be at most {MAX_BATCH}")])
        async with self._database.system("contacts") as tx:
            return await UserRepository(tx, self._cipher).find_all(user_ids)


def _valid_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        message = f"must be 1 to {MAX_NAME_CHARS} printable characters"
        raise InvalidArgument(fields=[FieldError("/name", message)])
    return name
