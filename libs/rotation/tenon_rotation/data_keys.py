"""New data keys: every value of an owner is sealed anew, then the old key is destroyed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from tenon_crypto.cells import Owner, OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.sealed_rows import SealedRowRepository
from tenon_crypto.sealed_tables import SealedTable, sealed_tables
from tenon_crypto.wrapped_keys import WrappedKeyRepository
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_rotation.models import Rotation
from tenon_rotation.owners import Owners
from tenon_rotation.pace import BATCH, Pace
from tenon_rotation.repository import RotationRepository

PASSES = 5
"""Over an owner's tables: rows that somebody has locked are left to the next one."""

log = structlog.get_logger()


class DataKeyRotation:
    """The data keys of one organization, or of all owners in the order of their ids.

    Nothing has to be remembered of an owner who is half done: the rows that still name an old key
    are those to be done.
    """

    def __init__(self, database: Database, keys: DataKeys, owners: Owners) -> None:
        self._schema = database.schema
        self._database = database
        self._keys = keys
        self._cipher = FieldCipher(keys)
        self._owners = owners

    async def total(self, org_id: UUID | None) -> int:
        if org_id is None:
            return await self._estimate()
        async with self._database.tenant(org_id) as tx:
            tables = sealed_tables(self._schema, OwnerKind.ORGANIZATION)
            return sum([await SealedRowRepository(tx, one).count(org_id) for one in tables])

    async def run(self, rotation: Rotation, pace: Pace) -> bool:
        """Go on until the time is over; say whether all is done."""
        if rotation.org_id:
            return await self._rotate(
                rotation, Owner(OwnerKind.ORGANIZATION, rotation.org_id), pace
            )
        position = rotation.position
        while owners := await self._owners.after(position):
            for owner in owners:
                if not await self._rotate(rotation, owner, pace):
                    return False
            position = owners[-1].id
        return True

    async def _estimate(self) -> int:
        names = [
            f"{self._schema}.{one.table.name}"
            for kind in self._owners.kinds
            for one in sealed_tables(self._schema, kind)
        ]
        async with self._database.system("rotation") as tx:
            return await RotationRepository(tx, self._schema).estimate_rows(names)

    async def _rotate(self, rotation: Rotation, owner: Owner, pace: Pace) -> bool:
        """Bring one owner to a new key; False if the time was over before."""
        async with self._owners.transaction(owner) as tx:
            await self._keys.renew(tx, owner.kind, rotation.create_time)
        for _ in range(PASSES):
            for table in sealed_tables(self._schema, owner.kind):
                if not await self._reseal_all(rotation, owner, table, pace):
                    return False
            if await self._retire(rotation, owner):
                await pace.rest()
                return True
            await pace.rest()
        log.error("values do not decrypt, and keep an old key", owner=str(owner.id))
        async with self._owners.transaction(owner) as tx:
            rotations = RotationRepository(tx, self._schema)
            await rotations.advance(rotation.id, left=1, position=owner.id)
        return True

    async def _reseal_all(
        self, rotation: Rotation, owner: Owner, table: SealedTable, pace: Pace
    ) -> bool:
        after: UUID | None = None
        while not pace.over:
            async with self._owners.transaction(owner) as tx:
                rows = await self._reseal(tx, rotation, owner, table, after)
            await pace.rest()
            if len(rows) < BATCH:
                return True
            after = getattr(rows[-1], table.row)
        return False

    async def _reseal(
        self,
        tx: Transaction,
        rotation: Rotation,
        owner: Owner,
        table: SealedTable,
        after: UUID | None,
    ) -> Sequence[Row[Any]]:
        """Seal a batch of rows anew while they are locked, and count them, in one transaction.

        The key is locked first, as by who destroys it.
        """
        key_id = await self._keys.hold_current(tx, owner.kind)
        if key_id is None:
            return ()
        repository = SealedRowRepository(tx, table)
        rows = await repository.lock_others(owner.id, key_id, after, BATCH)
        opened = await self._cipher.open_readable(tx, table, rows)
        if opened:
            await repository.replace(owner.id, await self._cipher.seal_all(tx, table, opened))
            await RotationRepository(tx, self._schema).advance(rotation.id, done=len(opened))
        return rows

    async def _retire(self, rotation: Rotation, owner: Owner) -> bool:
        """Destroy the old keys if no value names them; False if some do.

        Locking them waits for who has begun to write under one; after that, nobody can.
        """
        async with self._owners.transaction(owner) as tx:
            keys = WrappedKeyRepository(tx, self._schema, owner.kind)
            if old := await keys.lock_old(owner):
                for table in sealed_tables(self._schema, owner.kind):
                    if await SealedRowRepository(tx, table).has_any(owner.id, old):
                        return False
                await keys.remove(owner, old)
            await RotationRepository(tx, self._schema).advance(rotation.id, position=owner.id)
        return True
