from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.errors import InvalidCredentials, WrongPassword
from tenon_auth.events import SessionEndCause
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.rules import require_strong
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.service import UserService
from tenon_db.database import Database
from tenon_policy.call import Call


class PasswordService:
    """How passwords are replaced."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        credentials: Credentials,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._users = users
        self._credentials = credentials
        self._sessions = sessions

    async def change(self, call: Call, current: str, new: str, device: Device) -> None:
        """Replace one's own password, and end one's other sessions; WrongPassword, WeakPassword,
        TooManyGuesses.
        """
        async with self._database.user(call.user) as tx:
            user = await self._users.get_within(tx, call.user)
        require_strong(new, [user.email, user.name], "/new_password")
        try:
            credential = await self._credentials.verify(user.email, current, device)
            password_hash = await self._credentials.hash(new)
            async with self._database.user(user.id) as tx:
                await self._credentials.confirm(tx, credential)
                await self._credentials.replace(tx, user.id, password_hash)
                await self._sessions.end_others(tx, call.session, SessionEndCause.PASSWORD_CHANGED)
                await tx.publish(
                    events.password_changed(user.id), call.access(f"users/{user.id}/password")
                )
        except InvalidCredentials:
            raise WrongPassword from None
