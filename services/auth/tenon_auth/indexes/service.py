from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenon_auth.identities.subjects import Subjects
from tenon_auth.indexes.repository import IndexRepository
from tenon_auth.links.models import LIVES
from tenon_auth.users.service import UserService
from tenon_db.transaction import Transaction


class IndexService:
    """Auth's blind indexes, as the rotation of index keys sees them.

    A term can be made anew for addresses and for providers' subjects, of which the plaintext is
    kept. An API key's secret gets its own when it is exchanged; a recovery code keeps its old index
    key until it is used or replaced.
    """

    overlap = max(LIVES.values()) + timedelta(days=1)
    """Links live longest of what is not stored but derived by an index key."""

    def __init__(self, users: UserService, subjects: Subjects) -> None:
        self._users = users
        self._subjects = subjects

    async def fill(self, tx: Transaction, owner_id: UUID) -> None:
        await self._users.index_within(tx, owner_id)
        await self._subjects.index_within(tx, owner_id)

    async def has_outdated(self, tx: Transaction) -> bool:
        return await self._users.has_former_form(tx)

    async def needed(self, tx: Transaction, keys: Sequence[str]) -> bool:
        return await IndexRepository(tx).needs(keys)

    async def forget(self, tx: Transaction, keys: Sequence[str]) -> int:
        return await IndexRepository(tx).forget(keys)
