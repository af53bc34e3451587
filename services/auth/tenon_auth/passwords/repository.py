from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.passwords.models import Credential, credentials
from tenon_db.transaction import Transaction


class CredentialRepository:
    """The password of the transaction's user."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, user_id: UUID, password_hash: str) -> None:
        await self._tx.execute(
            insert(credentials).values(user_id=user_id, password_hash=password_hash)
        )

    async def find(self) -> Credential | None:
        row = await self._tx.row(
            select(credentials).where(credentials.c.user_id == self._tx.user_id)
        )
        return Credential(row.user_id, row.password_hash, row.changes) if row else None

    async def is_unchanged(self, credential: Credential) -> bool:
        """Say whether nobody replaced it since; nobody will until the commit."""
        changes: int | None = await self._tx.scalar(
            select(credentials.c.changes)
            .where(credentials.c.user_id == credential.user_id)
            .with_for_update(read=True)
        )
        return changes == credential.changes

    async def replace(
        self, user_id: UUID, password_hash: str, seen: Credential | None = None
    ) -> bool:
        """Replace the password, or set the first one; where it was `seen`, if nobody was faster."""
        if seen is None:
            await self._set(user_id, password_hash)
            return True
        replaced = await self._tx.execute(
            update(credentials)
            .where(credentials.c.user_id == user_id, credentials.c.changes == seen.changes)
            .values(password_hash=password_hash, changes=credentials.c.changes + 1)
        )
        return replaced.rowcount == 1

    async def _set(self, user_id: UUID, password_hash: str) -> None:
        await self._tx.execute(
            insert(credentials)
            .values(user_id=user_id, password_hash=password_hash)
            .on_conflict_do_update(
                index_elements=[credentials.c.user_id],
                set_={"password_hash": password_hash, "changes": credentials.c.changes + 1},
            )
        )

    async def remove(self, user_id: UUID) -> None:
        await self._tx.execute(delete(credentials).where(credentials.c.user_id == user_id))

    async def rehash(self, credential: Credential, password_hash: str) -> None:
        """Keep the same password under another hash, unless it was replaced meanwhile."""
        await self._tx.execute(
            update(credentials)
            .where(
                credentials.c.user_id == credential.user_id,
                credentials.c.changes == credential.changes,
            )
            .values(password_hash=password_hash)
        )
