import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.users.models import SEALED_USERS, User, logins, users
from tenon_core import clock
from tenon_core.email_addresses import CANONICAL_VERSION
from tenon_core.errors import NotFound
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction


class AccountRepository:
    """The row of an account, whatever is in it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def hold(self, user_id: UUID) -> None:
        """Hold off whoever would lock it, until the commit."""
        await self._tx.execute(self._row(user_id).with_for_update(read=True, key_share=True))

    async def lock(self, user_id: UUID) -> None:
        """Hold off whoever would hold, lock or change it, until the commit."""
        await self._tx.execute(self._row(user_id).with_for_update())

    def _row(self, user_id: UUID) -> Select[Any]:
        return select(users.c.id).where(users.c.id == user_id)


class UserRepository:
    """Users: oneself in a user's transaction."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def claim(
        self, user_id: UUID, terms: Sequence[Mac], release_time: datetime | None = None
    ) -> bool:
        """Take an address for an account, or until a time keep it from others; False if another
        one has it, and all is to be undone.
        """
        rows = [
            {
                "email_index": term.digest,
                "index_key": term.key,
                "canonical_version": CANONICAL_VERSION,
                "user_id": user_id,
                "release_time": release_time,
            }
            for term in terms
        ]
        statement = insert(logins).values(rows)
        free = or_(logins.c.user_id == user_id, logins.c.release_time < clock.now())
        replaced = ("canonical_version", "user_id", "release_time")
        taken = {name: statement.excluded[name] for name in replaced}
        claimed = await self._tx.rows(
            statement.on_conflict_do_update(
                index_elements=["email_index"], set_=taken, where=free
            ).returning(logins.c.user_id)
        )
        return len(claimed) == len(terms)

    async def is_held_by_others(self, user_id: UUID, former_digests: Sequence[bytes]) -> bool:
        """Return whether other accounts hold, or keep from others, hashes of the former form."""
        row = await self._tx.row(
            select(logins.c.user_id)
            .where(
                logins.c.email_index.in_(former_digests),
                _is_of_former_form(),
                logins.c.user_id != user_id,
                or_(logins.c.release_time.is_(None), logins.c.release_time >= clock.now()),
            )
            .limit(1)
        )
        return row is not None

    async def find_of_former_form(self, digests: Sequence[bytes]) -> list[UUID]:
        """Return the accounts that hold these hashes of the former form, in a system one."""
        rows = await self._tx.rows(
            select(logins.c.user_id)
            .where(
                logins.c.email_index.in_(digests),
                _is_of_former_form(),
                logins.c.release_time.is_(None),
            )
            .distinct()
        )
        return [row.user_id for row in rows]

    async def has_former_form(self) -> bool:
        """Return whether any account is found by the former form, in a system transaction."""
        row = await self._tx.row(
            select(logins.c.user_id)
            .where(_is_of_former_form(), logins.c.release_time.is_(None))
            .limit(1)
        )
        return row is not None

    async def remove_former_form(self, user_id: UUID) -> None:
        """Remove an account's hashes of the former form; addresses that it left are still kept."""
        await self._tx.execute(
            delete(logins).where(
                logins.c.user_id == user_id,
                _is_of_former_form(),
                logins.c.release_time.is_(None),
            )
        )

    async def has_any(self, user_id: UUID, digests: Sequence[bytes]) -> bool:
        """Say whether an account is found by one of these."""
        row = await self._tx.row(
            select(logins.c.user_id)
            .where(
                logins.c.user_id == user_id,
                logins.c.email_index.in_(digests),
                logins.c.release_time.is_(None),
            )
            .limit(1)
        )
        return row is not None

    async def release_others(self, user_id: UUID, digests: Sequence[bytes]) -> None:
        """Give up all of an account's addresses but these."""
        await self._tx.execute(
            delete(logins).where(logins.c.user_id == user_id, logins.c.email_index.not_in(digests))
        )

    async def release_over(self, user_id: UUID) -> None:
        """Give up the addresses that were kept until now."""
        await self._tx.execute(
            delete(logins).where(logins.c.user_id == user_id, logins.c.release_time < clock.now())
        )

    async def add(self, user: User) -> None:
        sealed = await self._cipher.seal(self._tx, SEALED_USERS, dataclasses.asdict(user))
        await self._tx.execute(insert(users).values(sealed))

    async def get(self, user_id: UUID) -> User:
        return await self._one(select(users).where(users.c.id == user_id))

    async def lock(self, user_id: UUID) -> User:
        """Get an account, and hold off whoever would change it until the commit."""
        return await self._one(select(users).where(users.c.id == user_id).with_for_update())

    async def find_locked(self, user_id: UUID) -> User | None:
        """Lock an account likewise, if there is one."""
        rows = await self._tx.rows(select(users).where(users.c.id == user_id).with_for_update())
        opened = await self._cipher.open(self._tx, SEALED_USERS, rows)
        return User(**opened[0]) if opened else None

    async def update(self, user: User) -> None:
        sealed = await self._cipher.seal(self._tx, SEALED_USERS, dataclasses.asdict(user))
        await self._tx.execute(update(users).where(users.c.id == user.id).values(sealed))

    async def remove(self, user_id: UUID) -> None:
        await self._tx.execute(delete(users).where(users.c.id == user_id))

    async def set_verified(self, user_id: UUID) -> None:
        await self._tx.execute(
            update(users).where(users.c.id == user_id).values(email_verified=True)
        )

    async def find_all(self, user_ids: Sequence[UUID]) -> list[User]:
        """Return those that exist and can be read, in a system transaction for `contacts`."""
        rows = await self._tx.rows(select(users).where(users.c.id.in_(user_ids)))
        opened = await self._cipher.open_readable(self._tx, SEALED_USERS, rows)
        return [User(**row) for row in opened]

    async def find_id(self, digests: Sequence[bytes]) -> UUID | None:
        """Return whose address it is, in a system transaction."""
        found: UUID | None = await self._tx.scalar(
            select(logins.c.user_id)
            .where(
                logins.c.email_index.in_(digests),
                logins.c.canonical_version == CANONICAL_VERSION,
                logins.c.release_time.is_(None),
            )
            .distinct()
        )
        return found

    async def _one(self, statement: Select[Any]) -> User:
        row = await self._tx.row(statement)
        if row is None:
            raise NotFound
        (opened,) = await self._cipher.open(self._tx, SEALED_USERS, [row])
        return User(**opened)


def _is_of_former_form() -> ColumnElement[bool]:
    return logins.c.canonical_version < CANONICAL_VERSION
