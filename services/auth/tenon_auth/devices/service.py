from datetime import timedelta
from uuid import UUID

from tenon_auth.devices import tokens
from tenon_auth.devices.models import Device
from tenon_auth.devices.repository import DeviceRepository
from tenon_core import clock
from tenon_db.database import Database
from tenon_db.transaction import Transaction

KEPT = timedelta(days=400)


class DeviceService:
    """Which devices a user has logged in on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: UUID, device: Device) -> bytes:
        """Return what names the device among the user's; empty if it is not known."""
        if not tokens.is_ours(device.token):
            return b""
        token_hash = tokens.hash_for(user_id, device.token)
        async with self._database.user(user_id) as tx:
            known = await DeviceRepository(tx).is_known(user_id, token_hash)
        return token_hash if known else b""

    async def remember(self, tx: Transaction, user_id: UUID, device: Device) -> tuple[str, bool]:
        """Return the token by which the device will be known again, and whether it is new.

        Devices that a browser would have forgotten are forgotten here, too.
        """
        at, repository = clock.now(), DeviceRepository(tx)
        await repository.delete_unseen(user_id, at - KEPT)
        if tokens.is_ours(device.token):
            known = tokens.hash_for(user_id, device.token)
            if await repository.see(user_id, known, at):
                return device.token, False
        token = tokens.new_token()  # also for one that another user of the browser has seen
        await repository.add(user_id, tokens.hash_for(user_id, token), at)
        return token, True

    def token_of(self, device: Device) -> str:
        """Return the token that a device has, or one for it to have; it is not known by that."""
        return device.token if tokens.is_ours(device.token) else tokens.new_token()

    def hash_for(self, user_id: UUID, token: str) -> bytes:
        """Return what stands for a device among the user's."""
        return tokens.hash_for(user_id, token)

    async def forget_others(self, tx: Transaction, user_id: UUID, but: Device) -> None:
        """Forget all devices but this: one of them may be somebody's who had the password."""
        kept = tokens.hash_for(user_id, but.token) if tokens.is_ours(but.token) else b""
        await DeviceRepository(tx).delete_others(user_id, kept)
