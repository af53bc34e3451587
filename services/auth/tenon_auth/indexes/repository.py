from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, delete, func, literal, or_, select

from tenon_auth.api_keys.models import api_key_secrets
from tenon_auth.identities.models import identity_logins
from tenon_auth.recovery_codes.models import recovery_codes
from tenon_auth.users.models import logins
from tenon_db.transaction import Transaction

BATCH = 10_000
INDEXED = (logins, identity_logins, api_key_secrets)
"""Tables that find something by keyed hashes, one for each index key."""


class IndexRepository:
    """Keyed hashes of all slices, in a system transaction for the rotation."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def needs(self, keys: Sequence[str]) -> bool:
        """Say whether anything that is still good is found by these index keys alone."""
        codes = recovery_codes.c
        alone: list[ColumnElement[bool]] = [
            _alone(logins, logins.c.user_id, keys).where(logins.c.release_time.is_(None)).exists(),
            _alone(identity_logins, identity_logins.c.identity_id, keys).exists(),
            _alone(api_key_secrets, api_key_secrets.c.id, keys)
            .where(api_key_secrets.c.expire_time > func.now())
            .exists(),
            select(literal(1)).where(codes.index_key.in_(keys), codes.use_time.is_(None)).exists(),
        ]
        needed: bool = await self._tx.scalar(select(or_(*alone)))
        return needed

    async def forget(self, keys: Sequence[str]) -> int:
        """Remove some hashes of these index keys; return how many."""
        counts = [await self._forget(table, keys) for table in INDEXED]
        return sum(counts)

    async def _forget(self, table: Table, keys: Sequence[str]) -> int:
        (digest,) = table.primary_key.columns
        some = select(digest).where(table.c.index_key.in_(keys)).limit(BATCH)
        return (await self._tx.execute(delete(table).where(digest.in_(some)))).rowcount


def _alone(table: Table, found: Column[object], keys: Sequence[str]) -> Select[Any]:
    """Select what has hashes by these keys, and none by another."""
    other = table.alias()
    by_others = select(literal(1)).where(
        other.c[found.name] == found, other.c.index_key.not_in(keys)
    )
    return select(literal(1)).where(table.c.index_key.in_(keys), ~by_others.exists())
