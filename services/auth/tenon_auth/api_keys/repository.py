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
    insert,
    literal,
    or_,
    select,
    update,
)

from tenon_auth.api_keys.models import ApiKey, Secret, api_key_secrets, api_keys
from tenon_auth.errors import ApiKeyNotFound
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction
from tenon_policy.policies import Role


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

    async def find(self, key_id: UUID) -> ApiKey | None:
        row = await self._tx.row(select(api_keys).where(*self._is(key_id)))
        return _key(row) if row else None

    async def lock(self, key_id: UUID | None) -> ApiKey:
        """Return a key, and hold off whoever would change it until the commit; ApiKeyNotFound."""
        found = select(api_keys).where(*self._is(key_id)).with_for_update()
        row = await self._tx.row(found) if key_id else None
        if row is None:
            raise ApiKeyNotFound
        return _key(row)

    async def page(self, before: UUID | None, limit: int) -> list[ApiKey]:
        """Return the newest that are older than `before`."""
        found: Select[Any] = select(api_keys).where(self._of_org)
        if before:
            found = found.where(api_keys.c.id < before)
        rows = await self._tx.rows(found.order_by(api_keys.c.id.desc()).limit(limit))
        return list(map(_key, rows))

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

    async def remove_old(self, before: datetime) -> None:
        """Forget the keys that were over by then."""
        await self._tx.execute(
            delete(api_keys).where(self._of_org, api_keys.c.expire_time < before)
        )

    def _is(self, key_id: UUID | None) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._of_org, api_keys.c.id == key_id


class SecretRepository:
    """The secrets of all keys, by their keyed hashes."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, secret: Secret, terms: Sequence[Mac]) -> None:
        rows = [
            {**asdict(secret), "secret_index": term.digest, "index_key": term.key} for term in terms
        ]
        await self._tx.execute(insert(api_key_secrets).values(rows))

    async def find(self, digests: Sequence[bytes]) -> Secret | None:
        columns = (
            api_key_secrets.c.id,
            api_key_secrets.c.org_id,
            api_key_secrets.c.key_id,
            api_key_secrets.c.expire_time,
        )
        row = await self._tx.row(
            select(*columns).where(api_key_secrets.c.secret_index.in_(digests)).distinct()
        )
        return Secret(**row._mapping) if row else None  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def find_live(self, secret_ids: Sequence[UUID], at: datetime) -> list[UUID]:
        live = select(api_key_secrets.c.id).where(
            api_key_secrets.c.id.in_(secret_ids), api_key_secrets.c.expire_time > at
        )
        return [row.id for row in await self._tx.rows(live.distinct())]

    async def end(self, key: ApiKey, until: datetime) -> None:
        """Let none of a key's secrets work longer than that."""
        await self._tx.execute(
            update(api_key_secrets)
            .where(*_of(key))
            .values(expire_time=func.least(api_key_secrets.c.expire_time, until))
        )

    async def remove_old(self, org_id: UUID, before: datetime) -> None:
        """Forget an organization's secrets that were over by then."""
        await self._tx.execute(
            delete(api_key_secrets).where(
                api_key_secrets.c.org_id == org_id, api_key_secrets.c.expire_time < before
            )
        )

    async def remove(self, key: ApiKey, *, over: datetime | None = None) -> list[UUID]:
        """Remove a key's secrets, or those that were over by then; return their ids."""
        gone = delete(api_key_secrets).where(*_of(key))
        if over:
            gone = gone.where(api_key_secrets.c.expire_time <= over)
        rows = await self._tx.rows(gone.returning(api_key_secrets.c.id))
        return list({row.id for row in rows})


def _of(key: ApiKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return api_key_secrets.c.org_id == key.org_id, api_key_secrets.c.key_id == key.id


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._mapping, "role": Role(row.role)})  # noqa: SLF001 # as above
