from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.devices.models import devices
from tenon_db.transaction import Transaction


class DeviceRepository:
    """The devices that the transaction's user has logged in on."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def is_known(self, user_id: UUID, token_hash: bytes) -> bool:
        known = exists().where(devices.c.user_id == user_id, devices.c.token_hash == token_hash)
        return bool(await self._tx.scalar(select(known)))

    async def see(self, user_id: UUID, token_hash: bytes, at: datetime) -> bool:
        """Note that a device was used; say whether it was not known."""
        device = {"user_id": user_id, "token_hash": token_hash, "last_seen_time": at}
        added = await self._tx.execute(insert(devices).values(device).on_conflict_do_nothing())
        if added.rowcount == 0:
            await self._tx.execute(
                update(devices)
                .where(devices.c.user_id == user_id, devices.c.token_hash == token_hash)
                .values(last_seen_time=at)
            )
        return added.rowcount == 1

    async def delete_unseen(self, user_id: UUID, since: datetime) -> None:
        await self._tx.execute(
            delete(devices).where(devices.c.user_id == user_id, devices.c.last_seen_time < since)
        )
