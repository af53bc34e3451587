from uuid import UUID

from tenon_auth.sessions.repository import SessionRepository
from tenon_core import clock
from tenon_core.errors import SessionEnded
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class LiveSessions:
    """Says whether sessions are live, in a transaction of their user."""

    def __init__(self, cipher: FieldCipher) -> None:
        self._cipher = cipher

    async def require(self, tx: Transaction, session_id: UUID) -> None:
        """Hold off, until the commit, whoever ends a session; SessionEnded if somebody has.

        For what lets people in: who has ended a stolen session must not find any of it later.
        """
        if not await SessionRepository(tx, self._cipher).hold_live(session_id, clock.now()):
            raise SessionEnded
