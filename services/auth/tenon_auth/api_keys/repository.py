from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.api_keys.models import ApiKey, Secret, api_key_secrets, api_keys
from tenon_auth.errors import ApiKeyNotFound
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction
from tenon_policy.policies import Role

SECRET = (
    api_key_secrets.c.id,
    api_key_secrets.c.org_id,
    api_key_secrets.c.key_id,
    api_key_secrets.c.expire_time,
)


class ApiKeyRepository:
    """The keys of the transaction's organization."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._of_org = api_keys.c.org_id == tx.org_id

    async def lock_all(self) -> None:
        """Let others who make keys of the organization wait until the commit."""
        name = literal(f"api-keys/{self._tx.org_id}")
        await self._tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def count(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).select_from(api_keys).where(self._of_org)
        )
        return counted

    async def add(self, key: ApiKey) -> None:
        await self._tx.execute(insert(api_keys).values(asdict(key)))

    async def find(self, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
        """Return a key; with `lock` hold off whoever would change it until the commit."""
        found = select(api_keys).where(*self._is(key_id))
        row = await self._tx.row(found.with_for_update() if lock else found)
        return _key(row) if row else None

    async def lock(self, key_id: UUID | None) -> ApiKey:
        """Find a key and lock it; ApiKeyNotFound."""
        key = await self.find(key_id, lock=True) if key_id else None
        if key is None:
            raise ApiKeyNotFound
        return key

    async def page(self, before: UUID | None, limit: int, creator_id: UUID | None) -> list[ApiKey]:
        """Return the newest that are older than `before`, of one creator if given."""
        found: Select[Any] = select(api_keys).where(self._of_org)
        if creator_id:
            found = found.where(api_keys.c.creator_id == creator_id)
        if before:
            found = found.where(api_keys.c.id < before)
        rows = await self._tx.rows(found.order_by(api_keys.c.id.desc()).limit(limit))
        return list(map(_key, rows))

    async def remove_of(self, creator_id: UUID) -> list[ApiKey]:
        """Remove the keys that a user has created, and return them."""
        gone = delete(api_keys).where(self._of_org, api_keys.c.creator_id == creator_id)
        return list(map(_key, await self._tx.rows(gone.returning(api_keys))))

    async def set_prefix(self, key_id: UUID, prefix: str) -> None:
        await self._tx.execute(update(api_keys).where(*self._is(key_id)).values(prefix=prefix))

    async def set_used(self, key_id: UUID, at: datetime, unless_since: datetime) -> None:
        """Note that a key is used, unless that was noted lately."""
        used = api_keys.c.last_used_time
        await self._tx.execute(
            update(api_keys)
            .where(*self._is(key_id), or_(used.is_(None), used < unless_since))
            .values(last_used_time=at)
        )

    async def remove(self, key_id: UUID) -> None:
        await self._tx.execute(delete(api_keys).where(*self._is(key_id)))

    async def remove_all(self) -> int:
        """Remove all keys; return how many there were."""
        return (await self._tx.execute(delete(api_keys).where(self._of_org))).rowcount

    async def remove_old(self, before: datetime) -> None:
        """Forget the keys that were over by then."""
        await self._tx.execute(
            delete(api_keys).where(self._of_org, api_keys.c.expire_time < before)
        )

    def _is(self, key_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._of_org, api_keys.c.id == key_id


class SecretRepository:
    """The secrets of all keys, by their keyed hashes."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, secret: Secret, terms: Sequence[Mac]) -> None:
        rows = [
            {
                "secret_index": term.digest,
                "index_key": term.key,
                "id": secret.id,
                "org_id": secret.org_id,
                "key_id": secret.key_id,
                "expire_time": secret.expire_time,
            }
            for term in terms
        ]
        await self._tx.execute(insert(api_key_secrets).values(rows))

    async def find(self, digests: Sequence[bytes]) -> Secret | None:
        index_keys = func.array_agg(api_key_secrets.c.index_key).label("index_keys")
        row = await self._tx.row(
            select(*SECRET, index_keys)
            .where(api_key_secrets.c.secret_index.in_(digests))
            .group_by(*SECRET)
        )
        return Secret(**row._mapping) if row else None  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def find_by_also(self, secret: Secret, term: Mac) -> None:
        """Let a secret be found by one more hash, if it is still there."""
        there = (
            select(literal(term.digest), literal(term.key), *SECRET)
            .where(*_of(secret.org_id, secret.key_id), api_key_secrets.c.id == secret.id)
            .limit(1)
        )
        names = ["secret_index", "index_key", *(column.name for column in SECRET)]
        more = insert(api_key_secrets).from_select(names, there)
        await self._tx.execute(more.on_conflict_do_nothing())

    async def find_live(self, secret_ids: Sequence[UUID], at: datetime) -> list[UUID]:
        live = select(api_key_secrets.c.id).where(
            api_key_secrets.c.id.in_(secret_ids), api_key_secrets.c.expire_time > at
        )
        return [row.id for row in await self._tx.rows(live.distinct())]

    async def end(self, key: ApiKey, until: datetime) -> None:
        """Let none of a key's secrets work longer than that."""
        await self._tx.execute(
            update(api_key_secrets)
            .where(*_of(key.org_id, key.id))
            .values(expire_time=func.least(api_key_secrets.c.expire_time, until))
        )

    async def remove_old(self, org_id: UUID, before: datetime) -> None:
        """Forget an organization's secrets that were over by then."""
        await self._tx.execute(
            delete(api_key_secrets).where(
                api_key_secrets.c.org_id == org_id, api_key_secrets.c.expire_time < before
            )
        )

    async def remove_all(self) -> list[UUID]:
        """Remove all secrets of the transaction's organization; return the id of each row."""
        gone = delete(api_key_secrets).where(api_key_secrets.c.org_id == self._tx.org_id)
        return [row.id for row in await self._tx.rows(gone.returning(api_key_secrets.c.id))]

    async def remove(self, key: ApiKey, *, over: datetime | None = None) -> list[UUID]:
        """Remove a key's secrets, or those that were over by then; return their ids."""
        gone = delete(api_key_secrets).where(*_of(key.org_id, key.id))
        if over:
            gone = gone.where(api_key_secrets.c.expire_time <= over)
        rows = await self._tx.rows(gone.returning(api_key_secrets.c.id))
        return list({row.id for row in rows})


def _of(org_id: UUID, key_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return api_key_secrets.c.org_id == org_id, api_key_secrets.c.key_id == key_id


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._mapping, "role": Role(row.role)})  # noqa: SLF001 # as above
