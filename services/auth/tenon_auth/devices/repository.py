from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update

from tenon_auth.devices.models import devices
from tenon_db.transaction import Transaction


class DeviceRepository:
    """The devices that the transaction's user has logged in on."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def is_known(self, user_id: UUID, token_hash: bytes) -> bool:
        known = exists().where(devices.c.user_id == user_id, devices.c.token_hash == token_hash)
        return bool(await self._tx.scalar(select(known)))

    async def add(self, user_id: UUID, token_hash: bytes, at: datetime) -> None:
        device = {"user_id": user_id, "token_hash": token_hash, "last_seen_time": at}
        await self._tx.execute(insert(devices).values(device))

    async def see(self, user_id: UUID, token_hash: bytes, at: datetime) -> bool:
        """Note that a device was used, if it is known; say whether it is."""
        seen = await self._tx.execute(
            update(devices)
            .where(devices.c.user_id == user_id, devices.c.token_hash == token_hash)
            .values(last_seen_time=at)
        )
        return seen.rowcount == 1

    async def delete_others(self, user_id: UUID, but: bytes) -> None:
        await self._tx.execute(
            delete(devices).where(devices.c.user_id == user_id, devices.c.token_hash != but)
        )

    async def delete_unseen(self, user_id: UUID, since: datetime) -> None:
        await self._tx.execute(
            delete(devices).where(devices.c.user_id == user_id, devices.c.last_seen_time < since)
        )
