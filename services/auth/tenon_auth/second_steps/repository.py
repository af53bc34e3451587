from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from tenon_auth.second_steps.models import Waiting, second_steps
from tenon_db.transaction import Transaction


class SecondStepRepository:
    """The log-ins of the transaction's user that wait for their second step."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, waiting: Waiting) -> None:
        await self._tx.execute(insert(second_steps).values(asdict(waiting)))

    async def find(self, step_id: UUID) -> Waiting | None:
        row = await self._tx.row(
            select(second_steps).where(
                second_steps.c.user_id == self._tx.user_id, second_steps.c.id == step_id
            )
        )
        return Waiting(**row._mapping) if row else None  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def use(self, step_id: UUID, device_hash: bytes, at: datetime) -> bool:
        """Use a log-in that waits; say whether it did. Of many at once, one is told so."""
        used = await self._tx.execute(
            update(second_steps)
            .where(
                second_steps.c.user_id == self._tx.user_id,
                second_steps.c.id == step_id,
                second_steps.c.device_hash == device_hash,
                second_steps.c.use_time.is_(None),
                second_steps.c.expire_time > at,
            )
            .values(use_time=at)
        )
        return used.rowcount == 1

    async def use_up(self, user_id: UUID, at: datetime) -> None:
        """Let none go on. They are locked in order, so that of two at once none is in the way of
        both.
        """
        waiting = (
            select(second_steps.c.id)
            .where(second_steps.c.user_id == user_id, second_steps.c.use_time.is_(None))
            .order_by(second_steps.c.id)
            .with_for_update()
        )
        await self._tx.execute(
            update(second_steps)
            .where(second_steps.c.user_id == user_id, second_steps.c.id.in_(waiting))
            .values(use_time=at)
        )

    async def delete_old(self, user_id: UUID, before: datetime) -> None:
        await self._tx.execute(
            delete(second_steps).where(
                second_steps.c.user_id == user_id, second_steps.c.expire_time < before
            )
        )
