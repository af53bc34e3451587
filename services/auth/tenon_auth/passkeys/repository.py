from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.passkeys.models import (
    SEALED_PASSKEYS,
    Passkey,
    credential_hash,
    passkey_credentials,
    passkeys,
    spent_challenges,
)
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction

BATCH = 100


class PasskeyRepository:
    """The passkeys of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, passkey: Passkey) -> bool:
        """Add a passkey; False if its credential is registered already, whoever's it is."""
        claim = {
            "credential_hash": credential_hash(passkey.credential_id),
            "user_id": passkey.user_id,
        }
        claimed = await self._tx.execute(
            insert(passkey_credentials).values(claim).on_conflict_do_nothing()
        )
        if claimed.rowcount != 1:
            return False
        row = await self._cipher.seal(self._tx, SEALED_PASSKEYS, asdict(passkey))
        await self._tx.execute(insert(passkeys).values(row))
        return True

    async def find(self, passkey_id: UUID) -> Passkey | None:
        found = await self._opened(self._own().where(passkeys.c.id == passkey_id))
        return found[0] if found else None

    async def find_by_credential(self, credential_id: bytes) -> Passkey | None:
        found = await self._opened(self._own().where(passkeys.c.credential_id == credential_id))
        return found[0] if found else None

    async def page(self, before: UUID | None, limit: int) -> list[Passkey]:
        """Return the newest that are older than `before`."""
        own = self._own()
        wanted = own.where(passkeys.c.id < before) if before else own
        return await self._opened(wanted.order_by(passkeys.c.id.desc()).limit(limit))

    async def count(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).where(passkeys.c.user_id == self._tx.user_id)
        )
        return counted

    async def use(
        self, passkey_id: UUID, sign_count: int, at: datetime, *, backed_up: bool
    ) -> bool:
        """Note an answer; False if the passkey is gone or has counted further: of two with the same
        count, one is a copy's.
        """
        counts_on = passkeys.c.sign_count < sign_count
        if sign_count == 0:
            counts_on = passkeys.c.sign_count == 0  # it does not count
        used = await self._tx.execute(
            update(passkeys)
            .where(passkeys.c.user_id == self._tx.user_id, passkeys.c.id == passkey_id, counts_on)
            .values(sign_count=sign_count, backed_up=backed_up, use_time=at)
        )
        return used.rowcount == 1

    async def rename(self, passkey: Passkey) -> None:
        row = await self._cipher.seal(self._tx, SEALED_PASSKEYS, asdict(passkey))
        await self._tx.execute(
            update(passkeys)
            .where(passkeys.c.user_id == self._tx.user_id, passkeys.c.id == passkey.id)
            .values(name=row["name"])
        )

    async def remove(self, passkey_id: UUID) -> bool:
        return await self._remove(passkeys.c.id == passkey_id) == 1

    async def remove_since(self, at: datetime) -> int:
        """Remove those that were registered since then; return how many."""
        return await self._remove(passkeys.c.create_time >= at)

    async def _remove(self, which: ColumnElement[bool]) -> int:
        own = passkeys.c.user_id == self._tx.user_id
        removed = await self._tx.rows(
            delete(passkeys).where(own, which).returning(passkeys.c.credential_id)
        )
        hashes = [credential_hash(row.credential_id) for row in removed]
        await self._tx.execute(
            delete(passkey_credentials).where(
                passkey_credentials.c.credential_hash.in_(hashes),
                passkey_credentials.c.user_id == self._tx.user_id,
            )
        )
        return len(hashes)

    def _own(self) -> Select[Any]:
        return select(passkeys).where(passkeys.c.user_id == self._tx.user_id)

    async def _opened(self, statement: Select[Any]) -> list[Passkey]:
        rows = await self._tx.rows(statement)
        opened: Sequence[dict[str, Any]] = await self._cipher.open(self._tx, SEALED_PASSKEYS, rows)
        return [Passkey(**row) for row in opened]


class ChallengeRepository:
    """Challenges that were answered, whoever's."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def spend(self, digest: bytes, expire_time: datetime) -> bool:
        """Say whether it was not spent before: of many at once, one is told so."""
        spent = await self._tx.execute(
            insert(spent_challenges)
            .values(digest=digest, expire_time=expire_time)
            .on_conflict_do_nothing()
        )
        return spent.rowcount == 1

    async def delete_old(self, before: datetime) -> None:
        """Forget some that are refused for their age; others may be at it, too."""
        old = (
            select(spent_challenges.c.digest)
            .where(spent_challenges.c.expire_time < before)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        await self._tx.execute(delete(spent_challenges).where(spent_challenges.c.digest.in_(old)))
