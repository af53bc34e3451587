import dataclasses
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter

from tenon_auth import events
from tenon_auth.audit_keys.service import AuditKeyService
from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import SessionNotFound, TooManyGuesses
from tenon_auth.events import SessionEndCause
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.sessions import refresh_tokens
from tenon_auth.sessions.ending import SessionEnding
from tenon_auth.sessions.models import (
    AuthMethod,
    LogIn,
    Presented,
    SecondStep,
    Session,
    Tokens,
)
from tenon_auth.sessions.refresh_tokens import RefreshToken
from tenon_auth.sessions.repository import SessionRepository
from tenon_auth.signing_keys.service import AccessClaims, SigningKeyService
from tenon_auth.users.holding import hold
from tenon_auth.users.models import User
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument, SessionEnded
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_db.transaction import Transaction
from tenon_policy.audit_clients import AuditKey
from tenon_policy.call import Call
from tenon_policy.grants import GrantChanges

FAMILY_KEY_BYTES = 32
MAX_USER_AGENT_CHARS = 500
MAX_LIVE = 100
"""Sessions of one user; who holds a password must not make so many that none can be ended."""
KEPT = timedelta(days=30)
"""How long what was said of a session is kept after it has ended."""
MAX_BATCH = 1_000
WAY_IN = (
    "Too many failed attempts. Wait a few minutes, or log in by a link now: "
    "POST /api/auth/login/link mails one to your address."
)

REFRESHES = Counter("tenon_auth_refreshes", "Refreshes by the kind of token", ["token"])


class SessionService:
    """Log-ins: how they start, go on and end."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        users: UserService,
        credentials: Credentials,
        devices: DeviceService,
        factors: SecondFactors,
        signing_keys: SigningKeyService,
        grants: GrantChanges,
        audit_keys: AuditKeyService,
        life: timedelta,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._users = users
        self._credentials = credentials
        self._devices = devices
        self._factors = factors
        self._signing_keys = signing_keys
        self._ending = SessionEnding(cipher, grants)
        self.adopt = audit_keys.adopt
        self._life = life

    async def log_in(
        self, call: Call, email: str, password: str, device: Device
    ) -> LogIn | SecondStep:
        """Log in by password; InvalidCredentials, TooManyGuesses."""
        try:
            credential = await self._credentials.verify(email, password, device)
        except TooManyGuesses as error:
            raise TooManyGuesses(WAY_IN, retry_after=error.retry_after) from None
        user_id = credential.user_id
        async with self._database.user(user_id) as tx:
            await hold(tx, user_id)
            await self._credentials.confirm(tx, credential)
            user = await self._users.get_within(tx, user_id)
            return await self.begin(tx, call, user, device, [AuthMethod.PASSWORD])

    async def begin(
        self,
        tx: Transaction,
        call: Call,
        user: User,
        device: Device,
        methods: Sequence[AuthMethod],
    ) -> LogIn | SecondStep:
        """Start a session of somebody who has had an account before; of who has a second factor,
        only once that is proved.
        """
        await self.adopt(tx, call)
        asked = await self._factors.ask(tx, call, user.id, device, methods)
        return asked or await self.admit(tx, call, user, device, methods)

    async def admit(
        self, tx: Transaction, call: Call, user: User, device: Device, methods: Sequence[str]
    ) -> LogIn:
        """Start a session of somebody who has proved all that they must, and tell of it."""
        log_in = await self.start(tx, call, user, device, methods)
        session_id = log_in.session.id
        await tx.publish(
            events.session_started(user.id, session_id, new_device=log_in.new_device),
            call.access(f"sessions/{session_id}", user_id=user.id),
        )
        return log_in

    async def start(
        self, tx: Transaction, call: Call, user: User, device: Device, methods: Sequence[str]
    ) -> LogIn:
        """Start a session in the transaction of its user, who proved by `methods` who they are,
        and who has been held since before that (`hold`).

        Those long over are forgotten; of too many, the oldest end.
        """
        at = clock.now()
        session = Session(
            id=uuid7(),
            user_id=user.id,
            family_key=secrets.token_bytes(FAMILY_KEY_BYTES),
            user_agent=device.user_agent[:MAX_USER_AGENT_CHARS] or None,
            ip_address=device.ip_address or None,
            generation=0,
            rotate_time=at,
            token_used=False,
            recovery_count=0,
            create_time=at,
            auth_time=at,
            methods=methods,
            expire_time=at + self._life,
            end_time=None,
        )
        repository = SessionRepository(tx, self._cipher)
        await repository.delete_old(user.id, at - KEPT)
        surplus = (await repository.lock_live(at))[: 1 - MAX_LIVE]
        await self._ending.end(tx, user.id, surplus, SessionEndCause.TOO_MANY)
        await repository.add(session)
        token, is_new = await self._devices.remember(tx, user.id, device)
        tokens = self._tokens(session, await self.adopt(tx, call))
        tokens = dataclasses.replace(tokens, device_token=token)
        return LogIn(user, session, tokens, new_device=is_new)

    async def confirm(self, tx: Transaction, call: Call, method: AuthMethod) -> LogIn:
        """Note that the caller has proved now who they are; the refresh token stays as it is."""
        session = await self._lock(tx, call.session)
        methods = list(dict.fromkeys([*session.methods, method]))
        proved = dataclasses.replace(session, auth_time=clock.now(), methods=methods)
        await SessionRepository(tx, self._cipher).confirm(proved)
        await tx.publish(call.access(f"sessions/{session.id}"))
        user = await self._users.get_within(tx, call.user)
        tokens = self._tokens(proved, await self.adopt(tx, call))
        return LogIn(user, proved, dataclasses.replace(tokens, refresh_token=""))

    async def refresh(self, call: Call, refresh_token: str) -> LogIn:
        """Exchange a refresh token; SessionEnded. `Presented` says what becomes of it."""
        token = refresh_tokens.parse(refresh_token)
        async with self._database.user(token.user_id) as tx:
            session = await self._refresh(tx, await self._lock_of(tx, token), token.generation)
            audit_key = await self.adopt(tx, call)
            await tx.publish(call.access(f"sessions/{session.id}", user_id=session.user_id))
            user = await self._users.get_within(tx, session.user_id)
        if session.end_time is not None:
            raise SessionEnded
        return LogIn(user, session, self._tokens(session, audit_key))

    async def _refresh(self, tx: Transaction, session: Session, generation: int) -> Session:
        """Return the session as a refresh leaves it; a replayed token ends it."""
        at = clock.now()
        presented = session.presented(generation, at)
        REFRESHES.labels(presented.value).inc()
        if presented is Presented.STALE:
            cause = SessionEndCause.TOKEN_REUSED
            await self._ending.end(tx, session.user_id, [session.id], cause)
            return dataclasses.replace(session, end_time=at)
        refreshed = session.refreshed(presented, at)
        if refreshed != session:
            await SessionRepository(tx, self._cipher).refresh(refreshed)
        return refreshed

    async def get(self, call: Call) -> tuple[User, Session]:
        """Return the caller's own user and session."""
        async with self._database.user(call.user) as tx:
            session = await SessionRepository(tx, self._cipher).find(call.session)
            if session is None:
                raise SessionEnded
            return await self._users.get_within(tx, call.user), session

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Session]:
        """List the caller's live sessions, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.user(call.user) as tx:
            found = await SessionRepository(tx, self._cipher).page(before, size + 1, clock.now())
        return cut(found, size, lambda session: (session.id,))

    async def revoke(self, call: Call, session_id: UUID | None) -> None:
        """End a session of the caller's, if it has not ended already; SessionNotFound."""
        async with self._database.user(call.user) as tx:
            session = session_id and await SessionRepository(tx, self._cipher).lock(session_id)
            if not session:
                raise SessionNotFound
            if not session.is_live(clock.now()):
                call.had_no_effect()
                return
            await self._ending.end(tx, call.user, [session.id], SessionEndCause.REVOKED)
            await tx.publish(call.access(f"sessions/{session.id}"))

    async def revoke_others(self, call: Call) -> None:
        """End all of the caller's sessions but the one that asks."""
        async with self._database.user(call.user) as tx:
            await self.end_others(tx, call.session, SessionEndCause.REVOKED)
            await tx.publish(call.access("sessions"))

    async def end_others(self, tx: Transaction, but: UUID, cause: SessionEndCause) -> None:
        """End all other sessions of the transaction's user."""
        await self._ending.end_all(tx, cause, but)

    async def end_all(self, tx: Transaction, cause: SessionEndCause) -> None:
        """End all sessions of the transaction's user."""
        await self._ending.end_all(tx, cause)

    async def get_notice(self, user_id: UUID | None, session_id: UUID | None) -> Session:
        """Return a session, ended or not, of which its user is told; SessionNotFound."""
        if user_id is None or session_id is None:
            raise SessionNotFound
        async with self._database.user(user_id) as tx:
            session = await SessionRepository(tx, self._cipher).find(session_id)
        if session is None:
            raise SessionNotFound
        return session

    async def find_live(self, session_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Return which of these sessions are live."""
        if len(session_ids) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/ids", f"must be at most {MAX_BATCH}")])
        async with self._database.system("grants") as tx:
            return await SessionRepository(tx, self._cipher).find_live(session_ids, clock.now())

    async def _lock(self, tx: Transaction, session_id: UUID) -> Session:
        """Return a live session, locked; SessionEnded."""
        session = await SessionRepository(tx, self._cipher).lock(session_id)
        if session is None or not session.is_live(clock.now()):
            raise SessionEnded
        return session

    async def _lock_of(self, tx: Transaction, token: RefreshToken) -> Session:
        """Return the live session that a token is of, locked; SessionEnded."""
        session = await self._lock(tx, token.session_id)
        if not token.proves(session):
            raise SessionEnded
        return session

    def _tokens(self, session: Session, audit_key: AuditKey) -> Tokens:
        times = session.auth_time, session.methods, session.expire_time
        claims = AccessClaims(session.user_id, session.id, *times, audit_key)
        access_token, access_expire_time = self._signing_keys.sign(claims)
        return Tokens(
            access_token, access_expire_time, refresh_tokens.derive(session), session.expire_time
        )
