from uuid import UUID

from sqlalchemy import exists, select
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

    async def add(self, user_id: UUID, token_hash: bytes) -> bool:
        """Add a device; say whether it was not known."""
        device = {"user_id": user_id, "token_hash": token_hash}
        added = await self._tx.execute(insert(devices).values(device).on_conflict_do_nothing())
        return added.rowcount == 1
