import dataclasses
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update

from tenon_auth.sessions.models import SEALED_SESSIONS, Session, sessions
from tenon_core.errors import SessionEnded
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class SessionRepository:
    """Sessions of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, session: Session) -> None:
        row = dataclasses.asdict(session)
        sealed = await self._cipher.seal(self._tx, SEALED_SESSIONS, row)
        await self._tx.execute(insert(sessions).values(sealed))

    async def get(self, session_id: UUID) -> Session:
        """Return a session; SessionEnded if there is none."""
        return await self._one(session_id, lock=False)

    async def lock(self, session_id: UUID) -> Session:
        """Return a session that nobody else changes until the commit; SessionEnded."""
        return await self._one(session_id, lock=True)

    async def rotate(self, session: Session) -> None:
        await self._tx.execute(
            update(sessions)
            .where(sessions.c.user_id == session.user_id, sessions.c.id == session.id)
            .values(generation=session.generation, rotate_time=session.rotate_time)
        )

    async def end(self, session: Session, at: datetime) -> None:
        await self._tx.execute(
            update(sessions)
            .where(sessions.c.user_id == session.user_id, sessions.c.id == session.id)
            .values(end_time=at)
        )

    async def find_live(self, session_ids: Sequence[UUID], at: datetime) -> list[UUID]:
        """Return which are live, in a system transaction for `grants`."""
        rows = await self._tx.rows(
            select(sessions.c.id).where(
                sessions.c.id.in_(session_ids),
                sessions.c.end_time.is_(None),
                sessions.c.expire_time > at,
            )
        )
        return [row.id for row in rows]

    async def _one(self, session_id: UUID, *, lock: bool) -> Session:
        statement = select(sessions).where(
            sessions.c.user_id == self._tx.user_id, sessions.c.id == session_id
        )
        row = await self._tx.row(statement.with_for_update() if lock else statement)
        if row is None:
            raise SessionEnded
        (opened,) = await self._cipher.open(self._tx, SEALED_SESSIONS, [row])
        return Session(**opened)
