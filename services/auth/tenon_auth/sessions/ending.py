"""How sessions end before their time: at once, and everywhere."""

from collections.abc import Sequence
from uuid import UUID

from tenon_auth import events
from tenon_auth.events import SessionEndCause
from tenon_auth.sessions.repository import SessionRepository
from tenon_core import clock
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction
from tenon_policy.grants import GrantChanges, GrantKey, SessionKey


class SessionEnding:
    """Ends sessions in the transaction of their user."""

    def __init__(self, cipher: FieldCipher, grants: GrantChanges) -> None:
        self._cipher = cipher
        self._grants = grants

    async def end_all(
        self, tx: Transaction, cause: SessionEndCause, but: UUID | None = None
    ) -> None:
        """End all sessions of the transaction's user, or all `but` one."""
        assert tx.user_id is not None
        live = await SessionRepository(tx, self._cipher).lock_live(clock.now())
        await self.end(tx, tx.user_id, [one for one in live if one != but], cause)

    async def end_one(
        self, tx: Transaction, user_id: UUID, session_id: UUID, cause: SessionEndCause
    ) -> None:
        """End a session if it is still live."""
        session = await SessionRepository(tx, self._cipher).lock(session_id)
        if session is not None and session.is_live(clock.now()):
            await self.end(tx, user_id, [session_id], cause)

    async def end(
        self, tx: Transaction, user_id: UUID, session_ids: Sequence[UUID], cause: SessionEndCause
    ) -> None:
        """End sessions, however many: by one statement, one set of marks, and one of events."""
        if not session_ids:
            return
        await SessionRepository(tx, self._cipher).end(session_ids, clock.now())
        await tx.publish(*(events.session_ended(user_id, one, cause) for one in session_ids))
        levels: dict[GrantKey, int] = {SessionKey(one): 0 for one in session_ids}
        mark = await self._grants.mark(*levels)
        tx.after_commit(lambda: self._grants.settle(levels, mark))
