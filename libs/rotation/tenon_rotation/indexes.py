"""New index keys: whatever is found by a keyed hash gets one under the new key beside the old."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from tenon_core import clock
from tenon_crypto.cells import Owner
from tenon_crypto.errors import Undecryptable
from tenon_crypto.keyring import KeyKind, Keyring, older_names
from tenon_crypto.wrapped_keys import PURPOSE
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_rotation.keks import retire_older
from tenon_rotation.models import Rotation
from tenon_rotation.owners import Owners
from tenon_rotation.pace import Pace
from tenon_rotation.repository import RotationRepository

log = structlog.get_logger()


class Indexes(Protocol):
    """The blind indexes of a service."""

    overlap: timedelta
    """For how long something that was made by an old key, and is kept nowhere, is still taken."""

    async def fill(self, tx: Transaction, owner_id: UUID) -> None:
        """Add an owner's missing terms, in their transaction."""

    async def has_outdated(self, tx: Transaction) -> bool:
        """Return whether an owner has terms of a former canonical form, which `fill` replaces, in a
        transaction for the rotation.
        """

    async def needed(self, tx: Transaction, keys: Sequence[str]) -> bool:
        """Say whether something is found by these keys alone, in one for the rotation."""

    async def forget(self, tx: Transaction, keys: Sequence[str]) -> int:
        """Remove some terms of keys that are retired, in one for the rotation; return how many."""


class IndexRotation:
    """All owners, in the order of their ids."""

    def __init__(
        self, database: Database, keyring: Keyring, owners: Owners, indexes: Indexes
    ) -> None:
        self._schema = database.schema
        self._database = database
        self._keyring = keyring
        self._owners = owners
        self._indexes = indexes

    async def total(self, org_id: UUID | None) -> int:
        assert org_id is None, "one index key finds everybody"
        return await self._owners.count()

    async def run(self, rotation: Rotation, pace: Pace) -> bool:
        """Go on until the time is over; say whether all is done."""
        position = rotation.position
        while owners := await self._owners.after(position):
            for owner in owners:
                if pace.over:
                    return False
                await self._fill(rotation, owner)
            position = owners[-1].id
            await pace.rest()
        await self.retire_needless()
        return True

    async def has_outdated(self) -> bool:
        """Return whether filling replaces terms of a former canonical form."""
        async with self._database.system(PURPOSE) as tx:
            return await self._indexes.has_outdated(tx)

    async def _fill(self, rotation: Rotation, owner: Owner) -> None:
        try:
            async with self._owners.transaction(owner) as tx:
                await self._indexes.fill(tx, owner.id)
                rotations = RotationRepository(tx, self._schema)
                await rotations.advance(rotation.id, done=1, position=owner.id)
        except Undecryptable:
            log.warning("what is to be found does not decrypt", owner=str(owner.id))
            async with self._owners.transaction(owner) as tx:
                rotations = RotationRepository(tx, self._schema)
                await rotations.advance(rotation.id, left=1, position=owner.id)

    async def retire_needless(self) -> None:
        """Retire the older keys once nothing needs them; then nobody looks for their terms."""
        keys = await self._keyring.keys(KeyKind.INDEX)
        (current,) = (key for key in keys if key.current)
        older = older_names(keys)
        if not older or clock.now() - current.create_time < self._indexes.overlap:
            return
        async with self._database.system(PURPOSE) as tx:
            if await self._indexes.needed(tx, older):
                return
        if retired := await retire_older(self._keyring, KeyKind.INDEX):
            while await self._forget(retired):
                pass

    async def _forget(self, keys: Sequence[str]) -> int:
        async with self._database.system(PURPOSE) as tx:
            return await self._indexes.forget(tx, keys)
