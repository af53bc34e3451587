from dataclasses import dataclass
from uuid import UUID

from tenon_auth.audit_keys.service import AuditKeyService
from tenon_auth.events import SessionEndCause
from tenon_auth.sessions import refresh_tokens
from tenon_auth.sessions.ending import SessionEnding
from tenon_auth.sessions.models import Session
from tenon_auth.sessions.refresh_tokens import RefreshToken
from tenon_auth.sessions.repository import SessionRepository
from tenon_core import clock
from tenon_core.errors import SessionEnded, Unavailable
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call
from tenon_policy.tokens import BadToken, TokenVerifier

LOG_OUT = "sessions.log_out"


@dataclass(frozen=True, slots=True)
class VerifiedSession:
    """The session of an access token, whose signature was verified."""

    user_id: UUID
    session_id: UUID

    def proves(self, session: Session) -> bool:
        return session.id == self.session_id


class LogOutService:
    """Ends sessions for clients that hold one of their tokens."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        queue: JobQueue,
        verifier: TokenVerifier,
        ending: SessionEnding,
        audit_keys: AuditKeyService,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._queue = queue
        self._verifier = verifier
        self._ending = ending
        self._audit_keys = audit_keys

    async def log_out(self, call: Call, refresh_token: str, access_token: str) -> None:
        """End the session of a refresh token, or else of an access token; BadToken, Unavailable.

        It may have ended before. A job ends it later where Redis is unavailable, for the gateway
        clears the cookies all the same.
        """
        try:
            token = await self._verify(refresh_token, access_token)
            try:
                await self._end(call, token)
            except Unavailable:
                await self._end_later(token)
                raise
        except SessionEnded:
            call.had_no_effect()

    async def _verify(
        self, refresh_token: str, access_token: str
    ) -> RefreshToken | VerifiedSession:
        if refresh_token or not access_token:
            return refresh_tokens.parse(refresh_token)
        holder = await self._verifier.verify(access_token)
        if holder.user_id is None:
            raise BadToken  # an API key's, which is revoked and not logged out
        return VerifiedSession(holder.user_id, holder.session_id)

    async def _end(self, call: Call, token: RefreshToken | VerifiedSession) -> None:
        async with self._database.user(token.user_id) as tx:
            session = await self._lock(tx, token)
            await self._ending.end(tx, token.user_id, [session.id], SessionEndCause.LOG_OUT)
            await self._audit_keys.adopt(tx, call)
            await tx.publish(call.access(f"sessions/{session.id}", user_id=token.user_id))

    async def _end_later(self, token: RefreshToken | VerifiedSession) -> None:
        async with self._database.user(token.user_id) as tx:
            session = await self._lock(tx, token)
            payload, key = {"session_id": str(session.id)}, str(session.id)
            await self._queue.enqueue(tx, LOG_OUT, payload, user_id=token.user_id, dedupe_key=key)

    async def _lock(self, tx: Transaction, token: RefreshToken | VerifiedSession) -> Session:
        """Return the live session that a token is of, locked; SessionEnded."""
        session = await SessionRepository(tx, self._cipher).lock(token.session_id)
        if session is None or not session.is_live(clock.now()) or not token.proves(session):
            raise SessionEnded
        return session
