"""New key-encryption keys: every data key is wrapped anew, then the old one is retired."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from tenon_crypto.cells import OwnerKind
from tenon_crypto.keyring import KeyKind, Keyring, KeyringReadOnly, current_name, older_names
from tenon_crypto.repository import StoredKey
from tenon_crypto.wrapped_keys import PURPOSE, WrappedKeyRepository
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_rotation.models import Rotation
from tenon_rotation.owners import Owners
from tenon_rotation.pace import BATCH, Pace
from tenon_rotation.repository import RotationRepository

log = structlog.get_logger()


class KekRotation:
    """All data keys of the service: those to be done are those that name another key."""

    def __init__(self, database: Database, keyring: Keyring, owners: Owners) -> None:
        self._schema = database.schema
        self._database = database
        self._keyring = keyring
        self._owners = owners

    async def total(self, org_id: UUID | None) -> int:
        assert org_id is None, "one key-encryption key wraps everybody's"
        kek = await self._current()
        async with self._database.system(PURPOSE) as tx:
            return await self._count(tx, kek)

    async def run(self, rotation: Rotation, pace: Pace) -> bool:
        """Go on until the time is over; say whether all is done."""
        kek = await self._current()
        for kind in self._owners.kinds:
            if not await self._rewrap_all(rotation, kind, kek, pace):
                return False
        await self._retire_others(rotation, kek)
        return True

    async def _current(self) -> str:
        return current_name(await self._keyring.keys(KeyKind.KEK))

    async def _count(self, tx: Transaction, kek: str) -> int:
        repositories = [WrappedKeyRepository(tx, self._schema, one) for one in self._owners.kinds]
        return sum([await keys.count_under_others(kek) for keys in repositories])

    async def _rewrap_all(self, rotation: Rotation, kind: OwnerKind, kek: str, pace: Pace) -> bool:
        last: StoredKey | None = None
        while not pace.over:
            async with self._database.system(PURPOSE) as tx:
                keys = WrappedKeyRepository(tx, self._schema, kind)
                found = await keys.under_others(kek, last, BATCH)
            if not found:
                return True
            await self._rewrap(rotation, found)
            last = found[-1]
            await pace.rest()
        return False

    async def _rewrap(self, rotation: Rotation, found: Sequence[StoredKey]) -> None:
        """Wrap keys anew, each in its owner's transaction; one that was destroyed is left alone."""
        rewrapped = await self._keyring.rewrap([key.wrapped for key in found])
        for key, wrapped in zip(found, rewrapped, strict=True):
            if wrapped is None:
                log.error("data key does not unwrap", key=str(key.id), kek=key.wrapped.kek)
                continue
            async with self._owners.transaction(key.owner) as tx:
                keys = WrappedKeyRepository(tx, self._schema, key.owner.kind)
                if await keys.replace(key, wrapped):
                    await RotationRepository(tx, self._schema).advance(rotation.id, done=1)

    async def _retire_others(self, rotation: Rotation, kek: str) -> None:
        """Retire the older keys unless a data key needs one; nobody wraps any meanwhile."""
        async with self._database.system(PURPOSE) as tx:
            await WrappedKeyRepository(tx, self._schema, self._owners.kinds[0]).lock_keks()
            left = await self._count(tx, kek)
            await RotationRepository(tx, self._schema).advance(rotation.id, left=left)
            if not left:
                await retire_older(self._keyring, KeyKind.KEK)


async def retire_older(keyring: Keyring, kind: KeyKind) -> list[str]:
    """Retire the keys that are older than the current one, where this process may; return which."""
    older = older_names(await keyring.keys(kind))
    try:
        for name in older:
            await keyring.retire(kind, name)
    except KeyringReadOnly as error:
        log.warning(
            "old keys are not needed and cannot be retired here", keys=older, why=str(error)
        )
        return []
    return older
