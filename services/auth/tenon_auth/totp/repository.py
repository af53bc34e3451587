from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.totp.models import SEALED_TOTP_FACTORS, TotpFactor, totp_factors
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class TotpRepository:
    """The authenticator app of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def put(self, factor: TotpFactor) -> bool:
        """Keep a secret in place of one that was not confirmed; False if one was."""
        row = await self._cipher.seal(self._tx, SEALED_TOTP_FACTORS, asdict(factor))
        new = {name: row[name] for name in ("id", "secret", "create_time", "last_step")}
        put = await self._tx.execute(
            insert(totp_factors)
            .values(row)
            .on_conflict_do_update(
                index_elements=[totp_factors.c.user_id],
                set_=new,
                where=totp_factors.c.confirm_time.is_(None),
            )
        )
        return put.rowcount == 1

    async def find(self) -> TotpFactor | None:
        row = await self._tx.row(
            select(totp_factors).where(totp_factors.c.user_id == self._tx.user_id)
        )
        if row is None:
            return None
        (opened,) = await self._cipher.open(self._tx, SEALED_TOTP_FACTORS, [row])
        return TotpFactor(**opened)

    async def confirm(self, factor_id: UUID, step: int, at: datetime) -> bool:
        """Take this secret as confirmed by the code of a step; say whether nobody was faster."""
        confirmed = await self._tx.execute(
            update(totp_factors)
            .where(
                totp_factors.c.user_id == self._tx.user_id,
                totp_factors.c.id == factor_id,
                totp_factors.c.confirm_time.is_(None),
            )
            .values(confirm_time=at, last_step=step)
        )
        return confirmed.rowcount == 1

    async def use(self, factor_id: UUID, step: int, at: datetime) -> bool:
        """Use the code of a step; of many at once, and of those at or before it, one is."""
        used = await self._tx.execute(
            update(totp_factors)
            .where(
                totp_factors.c.user_id == self._tx.user_id,
                totp_factors.c.id == factor_id,
                totp_factors.c.confirm_time.is_not(None),
                totp_factors.c.last_step < step,
            )
            .values(last_step=step, use_time=at)
        )
        return used.rowcount == 1

    async def remove_confirmed(self) -> bool:
        """Remove the secret if it is confirmed; say whether it was."""
        removed = await self._tx.execute(
            delete(totp_factors).where(
                totp_factors.c.user_id == self._tx.user_id, totp_factors.c.confirm_time.is_not(None)
            )
        )
        return removed.rowcount == 1

    async def remove_since(self, at: datetime) -> bool:
        """Remove the secret unless it was confirmed before; say whether it was confirmed since."""
        confirmed = totp_factors.c.confirm_time
        confirm_time = await self._tx.scalar(
            delete(totp_factors)
            .where(
                totp_factors.c.user_id == self._tx.user_id,
                or_(confirmed.is_(None), confirmed >= at),
            )
            .returning(confirmed)
        )
        return confirm_time is not None
