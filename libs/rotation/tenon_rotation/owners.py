"""Whose keys a service holds, one after the other."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from tenon_crypto.cells import Owner, OwnerKind
from tenon_crypto.wrapped_keys import PURPOSE, WrappedKeyRepository
from tenon_db.database import Database
from tenon_db.transaction import Transaction

PAGE = 100
STATEMENT_SECONDS = 600.0
"""Looking whether a large table still needs an old key takes long, and keeps nobody waiting."""


class Owners:
    """`kinds` are those that the service has a table of data keys for."""

    def __init__(self, database: Database, kinds: Sequence[OwnerKind]) -> None:
        self.kinds = kinds
        self._database = database

    def transaction(self, owner: Owner) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction on an owner's own rows."""
        if owner.kind is OwnerKind.USER:
            return self._database.user(owner.id)
        return self._database.tenant(owner.id, statement_seconds=STATEMENT_SECONDS)

    async def after(self, position: UUID | None) -> list[Owner]:
        """Return the next owners, by id."""
        found = []
        async with self._database.system(PURPOSE) as tx:
            for kind in self.kinds:
                keys = WrappedKeyRepository(tx, self._database.schema, kind)
                found += [Owner(kind, owner_id) for owner_id in await keys.owners(position, PAGE)]
        return sorted(found, key=lambda owner: owner.id)[:PAGE]

    async def count(self) -> int:
        async with self._database.system(PURPOSE) as tx:
            repositories = [
                WrappedKeyRepository(tx, self._database.schema, kind) for kind in self.kinds
            ]
            return sum([await keys.count_owners() for keys in repositories])
