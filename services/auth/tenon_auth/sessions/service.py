import dataclasses
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenon_auth import events
from tenon_auth.errors import InvalidCredentials
from tenon_auth.sessions import refresh_tokens
from tenon_auth.sessions.models import LogIn, Presented, Session, Tokens
from tenon_auth.sessions.refresh_tokens import RefreshToken
from tenon_auth.sessions.repository import SessionRepository
from tenon_auth.signing_keys.service import SigningKeyService
from tenon_auth.users.addresses import comparable
from tenon_auth.users.models import User
from tenon_auth.users.passwords import PasswordHasher
from tenon_auth.users.repository import UserRepository
from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument, SessionEnded
from tenon_core.ids import uuid7
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_policy.grants import GrantChanges, SessionKey

SESSION_LIFE = timedelta(days=7)
GRACE_SECONDS = 10.0
FAMILY_KEY_BYTES = 32
MAX_BATCH = 1_000


class SessionService:
    """Log-ins: how they start, go on and end."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        addresses: BlindIndex,
        passwords: PasswordHasher,
        signing_keys: SigningKeyService,
        grants: GrantChanges,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._addresses = addresses
        self._passwords = passwords
        self._signing_keys = signing_keys
        self._grants = grants

    async def log_in(self, call: Call, email: str, password: str) -> LogIn:
        """Start a session by password; InvalidCredentials, as slowly for an unknown address."""
        user_id, password_hash = await self._find_credentials(email)
        if not await self._passwords.matches(password, password_hash) or user_id is None:
            raise InvalidCredentials
        async with self._database.user(user_id) as tx:
            log_in = await self.start(tx, await UserRepository(tx, self._cipher).get(user_id))
            resource = f"sessions/{log_in.session.id}"
            await tx.publish(call.access(resource, user_id=user_id))
        return log_in

    async def start(self, tx: Transaction, user: User) -> LogIn:
        """Start a session in the transaction of its user."""
        at = clock.now()
        session = Session(
            id=uuid7(),
            user_id=user.id,
            family_key=secrets.token_bytes(FAMILY_KEY_BYTES),
            generation=0,
            rotate_time=at,
            create_time=at,
            expire_time=at + SESSION_LIFE,
            end_time=None,
        )
        await SessionRepository(tx, self._cipher).add(session)
        return LogIn(user, session, self._tokens(session))

    async def refresh(self, call: Call, refresh_token: str) -> LogIn:
        """Exchange a refresh token.

        The current one rotates; its predecessor gets the same successor again within the grace,
        since several tabs refresh at once; anything older ends the session. SessionEnded.
        """
        token = refresh_tokens.parse(refresh_token)
        async with self._database.user(token.user_id) as tx:
            session = await self._lock(tx, token)
            match session.presented(token.generation, clock.now(), GRACE_SECONDS):
                case Presented.CURRENT:
                    session = await self._rotate(tx, session)
                case Presented.STALE:
                    await self._end(tx, session)
                    session = dataclasses.replace(session, end_time=clock.now())
            await tx.publish(call.access(f"sessions/{session.id}", user_id=session.user_id))
            user = await UserRepository(tx, self._cipher).get(session.user_id)
        if session.end_time is not None:
            raise SessionEnded
        return LogIn(user, session, self._tokens(session))

    async def log_out(self, call: Call, refresh_token: str) -> None:
        """End the session that a refresh token belongs to, if it has not ended already."""
        try:
            token = refresh_tokens.parse(refresh_token)
            async with self._database.user(token.user_id) as tx:
                session = await self._lock(tx, token)
                await self._end(tx, session)
                await tx.publish(call.access(f"sessions/{session.id}", user_id=session.user_id))
        except SessionEnded:
            call.had_no_effect()

    async def get(self, call: Call) -> tuple[User, Session]:
        """Return the caller's own user and session."""
        assert call.session_id is not None
        async with self._database.user(call.user) as tx:
            session = await SessionRepository(tx, self._cipher).get(call.session_id)
            return await UserRepository(tx, self._cipher).get(call.user), session

    async def find_live(self, session_ids: Sequence[UUID]) -> list[UUID]:
        """Return which of these sessions are live."""
        if len(session_ids) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/ids", f"must be at most {MAX_BATCH}")])
        async with self._database.system("grants") as tx:
            return await SessionRepository(tx, self._cipher).find_live(session_ids, clock.now())

    async def _find_credentials(self, email: str) -> tuple[UUID | None, str | None]:
        terms = await self._addresses.terms(comparable(email))
        async with self._database.system("log in") as tx:
            user_id = await UserRepository(tx, self._cipher).find_id(terms)
        if user_id is None:
            return None, None
        async with self._database.user(user_id) as tx:
            return user_id, await UserRepository(tx, self._cipher).find_password_hash(user_id)

    async def _lock(self, tx: Transaction, token: RefreshToken) -> Session:
        """Return the live session that a token is of, locked; SessionEnded."""
        session = await SessionRepository(tx, self._cipher).lock(token.session_id)
        if not token.proves(session) or not session.is_live(clock.now()):
            raise SessionEnded
        return session

    async def _rotate(self, tx: Transaction, session: Session) -> Session:
        rotated = dataclasses.replace(
            session, generation=session.generation + 1, rotate_time=clock.now()
        )
        await SessionRepository(tx, self._cipher).rotate(rotated)
        return rotated

    async def _end(self, tx: Transaction, session: Session) -> None:
        key = SessionKey(session.id)
        await SessionRepository(tx, self._cipher).end(session, clock.now())
        await tx.publish(events.session_ended(session.user_id, session.id))
        mark = await self._grants.mark(key)
        tx.after_commit(lambda: self._grants.settle({key: 0}, mark))

    def _tokens(self, session: Session) -> Tokens:
        access_token, access_expire_time = self._signing_keys.sign(session.user_id, session.id)
        return Tokens(
            access_token, access_expire_time, refresh_tokens.derive(session), session.expire_time
        )
