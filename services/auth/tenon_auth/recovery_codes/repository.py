from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from tenon_auth.recovery_codes.models import recovery_codes
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction


class RecoveryCodeRepository:
    """The recovery codes of the transaction's user."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, user_id: UUID, hashes: Sequence[Mac]) -> None:
        rows = [
            {"user_id": user_id, "code_hash": one.digest, "index_key": one.key} for one in hashes
        ]
        await self._tx.execute(insert(recovery_codes).values(rows))

    async def use(self, digests: Sequence[bytes], at: datetime) -> bool:
        """Use a code that is good; say whether it was. Of many at once, one is told so."""
        used = await self._tx.execute(
            update(recovery_codes)
            .where(
                recovery_codes.c.user_id == self._tx.user_id,
                recovery_codes.c.code_hash.in_(digests),
                recovery_codes.c.use_time.is_(None),
            )
            .values(use_time=at)
        )
        return used.rowcount == 1

    async def count_left(self) -> int:
        left: int = await self._tx.scalar(
            select(func.count()).where(
                recovery_codes.c.user_id == self._tx.user_id, recovery_codes.c.use_time.is_(None)
            )
        )
        return left

    async def remove_all(self) -> None:
        await self._tx.execute(
            delete(recovery_codes).where(recovery_codes.c.user_id == self._tx.user_id)
        )
