import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, or_, select, update

from tenon_auth.email_changes.models import SEALED_EMAIL_CHANGES, EmailChange, email_changes
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class EmailChangeRepository:
    """The changes of the transaction's user's address."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, change: EmailChange) -> None:
        await self._tx.execute(insert(email_changes).values(await self._sealed(change)))

    async def update(self, change: EmailChange) -> None:
        await self._tx.execute(
            update(email_changes)
            .where(email_changes.c.user_id == change.user_id, email_changes.c.id == change.id)
            .values(await self._sealed(change))
        )

    async def find_by_link(self, link_id: UUID) -> EmailChange | None:
        changes = await self._opened(
            select(email_changes).where(
                email_changes.c.user_id == self._tx.user_id,
                or_(
                    email_changes.c.confirm_link_id == link_id,
                    email_changes.c.undo_link_id == link_id,
                ),
            )
        )
        return changes[0] if changes else None

    async def find_confirmed(self) -> list[EmailChange]:
        """Return those that can be undone, oldest first."""
        return await self._opened(
            select(email_changes)
            .where(
                email_changes.c.user_id == self._tx.user_id,
                email_changes.c.confirm_time.is_not(None),
            )
            .order_by(email_changes.c.confirm_time, email_changes.c.id)
        )

    async def delete_pending(self, user_id: UUID) -> None:
        await self._tx.execute(
            delete(email_changes).where(
                email_changes.c.user_id == user_id, email_changes.c.confirm_time.is_(None)
            )
        )

    async def delete(self, user_id: UUID, change_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            delete(email_changes).where(
                email_changes.c.user_id == user_id, email_changes.c.id.in_(change_ids)
            )
        )

    async def delete_over(self, user_id: UUID, at: datetime, asked_before: datetime) -> None:
        """Forget those that can be undone no more, and those that nobody has confirmed."""
        over = func.coalesce(
            email_changes.c.release_time <= at, email_changes.c.create_time <= asked_before
        )
        await self._tx.execute(
            delete(email_changes).where(email_changes.c.user_id == user_id, over)
        )

    async def _sealed(self, change: EmailChange) -> dict[str, Any]:
        row = dataclasses.asdict(change)
        return await self._cipher.seal(self._tx, SEALED_EMAIL_CHANGES, row)

    async def _opened(self, statement: Select[Any]) -> list[EmailChange]:
        rows = await self._tx.rows(statement)
        opened = await self._cipher.open(self._tx, SEALED_EMAIL_CHANGES, rows)
        return [EmailChange(**row) for row in opened]
