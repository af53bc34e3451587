"""How API keys end before their time: at once, and everywhere."""

from collections.abc import Sequence
from uuid import UUID

from tenon_auth import events
from tenon_auth.api_keys.repository import ApiKeyRepository, SecretRepository
from tenon_db.transaction import Transaction
from tenon_policy.grants import GrantChanges, GrantKey, SessionKey


class ApiKeyEnding:
    """Ends keys in the transaction of their organization."""

    def __init__(self, grants: GrantChanges) -> None:
        self._grants = grants

    async def end_all(self, tx: Transaction) -> int:
        """Remove all keys, then their secrets: who gives a key another one holds the key meanwhile.

        Return how many rows there were. Called just before the commit.
        """
        keys = await ApiKeyRepository(tx).remove_all()
        secret_ids = await SecretRepository(tx).remove_all()
        await self.refuse(tx, sorted(set(secret_ids)))
        return keys + len(secret_ids)

    async def end_of(self, tx: Transaction, creator_id: UUID) -> None:
        """Revoke all keys that a user has created. Called just before the commit."""
        secret_ids: list[UUID] = []
        for key in await ApiKeyRepository(tx).remove_of(creator_id):
            await tx.publish(events.api_key_revoked(key.org_id, key.id))
            secret_ids += await SecretRepository(tx).remove(key)
        await self.refuse(tx, secret_ids)

    async def refuse(self, tx: Transaction, secret_ids: Sequence[UUID]) -> None:
        """Let the hot copies of secrets follow; called just before the commit."""
        if not secret_ids:
            return
        levels: dict[GrantKey, int] = {SessionKey(one): 0 for one in secret_ids}
        mark = await self._grants.mark(*levels)
        tx.after_commit(lambda: self._grants.settle(levels, mark))
