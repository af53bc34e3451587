from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.users.models import User, credentials, logins, users
from tenon_core.errors import NotFound
from tenon_db.transaction import Transaction


class UserRepository:
    """Users and their credentials: one's own in a user's transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, user: User, email_hash: bytes, password_hash: str) -> bool:
        """Add an account; False if the address has one."""
        claimed = await self._tx.scalar(
            insert(logins)
            .values(email_hash=email_hash, user_id=user.id)
            .on_conflict_do_nothing()
            .returning(logins.c.user_id)
        )
        if claimed is None:
            return False
        await self._tx.execute(
            insert(users).values(
                id=user.id,
                email=user.email,
                name=user.name,
                email_verified=user.email_verified,
                create_time=user.create_time,
            )
        )
        await self._tx.execute(
            insert(credentials).values(user_id=user.id, password_hash=password_hash)
        )
        return True

    async def get(self, user_id: UUID) -> User:
        row = await self._tx.row(select(users).where(users.c.id == user_id))
        if row is None:
            raise NotFound
        return User(**row._mapping)  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def find_all(self, user_ids: Sequence[UUID]) -> list[User]:
        """Return those that exist, in a system transaction for `contacts`."""
        rows = await self._tx.rows(select(users).where(users.c.id.in_(user_ids)))
        return [User(**row._mapping) for row in rows]  # noqa: SLF001 # as above

    async def find_id(self, email_hash: bytes) -> UUID | None:
        """Return whose address it is, in a system transaction."""
        found: UUID | None = await self._tx.scalar(
            select(logins.c.user_id).where(logins.c.email_hash == email_hash)
        )
        return found

    async def find_password_hash(self, user_id: UUID) -> str | None:
        found: str | None = await self._tx.scalar(
            select(credentials.c.password_hash).where(credentials.c.user_id == user_id)
        )
        return found
