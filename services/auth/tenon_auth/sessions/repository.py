import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, insert, or_, select, update

from tenon_auth.sessions.models import SEALED_SESSIONS, Session, sessions
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

    async def find(self, session_id: UUID) -> Session | None:
        return await self._one(select(sessions).where(*self._is(session_id)))

    async def lock(self, session_id: UUID) -> Session | None:
        """Find a session, and hold off whoever would change it until the commit."""
        return await self._one(select(sessions).where(*self._is(session_id)).with_for_update())

    async def page(self, before: UUID | None, limit: int, at: datetime) -> list[Session]:
        """Return the newest live ones that are older than `before`."""
        live = self._live(at)
        wanted = live.where(sessions.c.id < before) if before else live
        return await self._opened(wanted.order_by(sessions.c.id.desc()).limit(limit))

    async def lock_live(self, at: datetime) -> list[UUID]:
        """Return the ids of the live ones, oldest first, and hold off whoever would change them
        until the commit.
        """
        live = self._live(at).with_only_columns(sessions.c.id).order_by(sessions.c.id)
        return [row.id for row in await self._tx.rows(live.with_for_update())]

    async def hold_live(self, session_id: UUID, at: datetime) -> bool:
        """Say whether a session is live, and hold off whoever would end it until the commit."""
        live = self._live(at).with_only_columns(sessions.c.id).where(sessions.c.id == session_id)
        return await self._tx.row(live.with_for_update(read=True)) is not None

    async def refresh(self, session: Session) -> None:
        await self._tx.execute(
            update(sessions)
            .where(*self._is(session.id))
            .values(
                generation=session.generation,
                rotate_time=session.rotate_time,
                token_used=session.token_used,
                recovery_count=session.recovery_count,
            )
        )

    async def confirm(self, session: Session) -> None:
        await self._tx.execute(
            update(sessions)
            .where(*self._is(session.id))
            .values(auth_time=session.auth_time, methods=session.methods)
        )

    async def end(self, session_ids: Sequence[UUID], at: datetime) -> None:
        await self._tx.execute(
            update(sessions)
            .where(sessions.c.user_id == self._tx.user_id, sessions.c.id.in_(session_ids))
            .values(end_time=at)
        )

    async def delete_old(self, user_id: UUID, before: datetime) -> None:
        """Forget the sessions that were over by then."""
        over = or_(sessions.c.end_time < before, sessions.c.expire_time < before)
        await self._tx.execute(delete(sessions).where(sessions.c.user_id == user_id, over))

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

    def _live(self, at: datetime) -> Select[Any]:
        return select(sessions).where(
            sessions.c.user_id == self._tx.user_id,
            sessions.c.end_time.is_(None),
            sessions.c.expire_time > at,
        )

    def _is(self, session_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return sessions.c.user_id == self._tx.user_id, sessions.c.id == session_id

    async def _one(self, statement: Select[Any]) -> Session | None:
        found = await self._opened(statement)
        return found[0] if found else None

    async def _opened(self, statement: Select[Any]) -> list[Session]:
        rows = await self._tx.rows(statement)
        return [Session(**row) for row in await self._cipher.open(self._tx, SEALED_SESSIONS, rows)]
