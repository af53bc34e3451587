from collections.abc import Sequence
from uuid import UUID

from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import MfaTokenSpent
from tenon_auth.second_steps.models import LIFE, Waiting
from tenon_auth.second_steps.repository import SecondStepRepository
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.row_tokens import OwnedRow, RowTokens
from tenon_db.database import Database
from tenon_db.transaction import Transaction


class SecondStepService:
    """Log-ins between their first step and their second."""

    def __init__(self, database: Database, tokens: RowTokens, devices: DeviceService) -> None:
        self._database = database
        self._tokens = tokens
        self._devices = devices

    async def make(
        self, tx: Transaction, user_id: UUID, device: Device, methods: Sequence[str]
    ) -> tuple[Waiting, str, str]:
        """Let a log-in wait; return it, its token, and that of the device which it is bound to.

        Those too old are forgotten.
        """
        at, device_token = clock.now(), self._devices.token_of(device)
        device_hash = self._devices.hash_for(user_id, device_token)
        waiting = Waiting(uuid7(), user_id, methods, device_hash, at, at + LIFE)
        repository = SecondStepRepository(tx)
        await repository.delete_old(user_id, at)
        await repository.add(waiting)
        token = await self._tokens.derive(OwnedRow(user_id, waiting.id))
        return waiting, token, device_token

    async def read(self, token: str) -> Waiting:
        """Return the log-in that a token is of; MfaTokenSpent if it does not wait (any more)."""
        step = await self._tokens.read(token)
        if step is None:
            raise MfaTokenSpent
        async with self._database.user(step.owner_id) as tx:
            waiting = await SecondStepRepository(tx).find(step.id)
        if waiting is None or not waiting.is_good(clock.now()):
            raise MfaTokenSpent
        return waiting

    async def use(self, tx: Transaction, waiting: Waiting, device: Device) -> None:
        """Go on with a log-in, in the transaction that starts its session; MfaTokenSpent if
        somebody was faster, or on another device.
        """
        device_hash = self._devices.hash_for(waiting.user_id, device.token)
        if not await SecondStepRepository(tx).use(waiting.id, device_hash, clock.now()):
            raise MfaTokenSpent

    async def use_up(self, tx: Transaction, user_id: UUID) -> None:
        """Let no log-in of a user's go on: what it has proved, or would have to, has changed."""
        await SecondStepRepository(tx).use_up(user_id, clock.now())
