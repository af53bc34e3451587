from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from tenon_auth.sign_ups.models import PendingSignUp, pending_sign_ups
from tenon_db.transaction import Transaction


class PendingSignUpRepository:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, sign_up: PendingSignUp) -> None:
        await self._tx.execute(insert(pending_sign_ups).values(asdict(sign_up)))

    async def keep_until(self, user_id: UUID, expire_time: datetime) -> bool:
        """Say whether it was there; nobody gives it up until the commit."""
        kept = await self._tx.execute(
            update(pending_sign_ups)
            .where(pending_sign_ups.c.user_id == user_id)
            .values(expire_time=expire_time)
        )
        return kept.rowcount == 1

    async def remove(self, user_id: UUID) -> PendingSignUp | None:
        """Return what was there: of a confirmation and an end at once, one goes on."""
        row = await self._tx.row(
            delete(pending_sign_ups)
            .where(pending_sign_ups.c.user_id == user_id)
            .returning(pending_sign_ups)
        )
        return PendingSignUp(row.user_id, row.expire_time, row.device_hash) if row else None

    async def find_expired(self, at: datetime, limit: int) -> list[UUID]:
        rows = await self._tx.rows(
            select(pending_sign_ups.c.user_id)
            .where(pending_sign_ups.c.expire_time < at)
            .order_by(pending_sign_ups.c.expire_time)
            .limit(limit)
        )
        return [row.user_id for row in rows]
