import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_tenancy.organization_deletions.models import (
    OrganizationDeletion,
    Receipt,
    organization_deletions,
    organization_erasure_receipts,
)
from tenon_tenancy.organizations.models import organizations


class OrganizationDeletionRepository:
    """Deletions and their receipts, whoever's transaction it is."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, deletion: OrganizationDeletion) -> None:
        row = {**dataclasses.asdict(deletion), "owner_ids": list(deletion.owner_ids)}
        await self._tx.execute(insert(organization_deletions).values(row))

    async def find(self, org_id: UUID) -> OrganizationDeletion | None:
        row = await self._tx.row(
            select(organization_deletions).where(organization_deletions.c.org_id == org_id)
        )
        return _deletion(row) if row else None

    async def find_by_id(self, deletion_id: UUID) -> OrganizationDeletion | None:
        row = await self._tx.row(
            select(organization_deletions).where(organization_deletions.c.id == deletion_id)
        )
        return _deletion(row) if row else None

    async def find_open(self, before: datetime, limit: int) -> list[UUID]:
        """Return organizations that ended before a time and are not erased everywhere."""
        rows = await self._tx.rows(
            select(organization_deletions.c.org_id)
            .where(organization_deletions.c.end_time < before)
            .where(organization_deletions.c.finish_time.is_(None))
            .limit(limit)
        )
        return [row.org_id for row in rows]

    async def withdraw(self, org_id: UUID) -> bool:
        """Forget one that was not carried out; say whether there was one."""
        withdrawn = await self._tx.execute(
            delete(organization_deletions).where(
                organization_deletions.c.org_id == org_id,
                organization_deletions.c.end_time.is_(None),
            )
        )
        return withdrawn.rowcount == 1

    async def end(self, deletion_id: UUID, at: datetime, owner_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            update(organization_deletions)
            .where(organization_deletions.c.id == deletion_id)
            .values(end_time=at, owner_ids=list(owner_ids))
        )

    async def finish(self, org_id: UUID, at: datetime) -> bool:
        """Say whether it is finished by this; of many at once, one is told so."""
        finished = await self._tx.execute(
            update(organization_deletions)
            .where(organization_deletions.c.org_id == org_id)
            .where(organization_deletions.c.finish_time.is_(None))
            .values(finish_time=at)
        )
        return finished.rowcount == 1

    async def add_receipt(self, receipt: Receipt) -> bool:
        """Keep what a service has destroyed so far; say whether it is its first receipt.

        Each receipt counts all that was destroyed; after a restore, a service may count anew.
        """
        statement = insert(organization_erasure_receipts).values(dataclasses.asdict(receipt))
        first = await self._tx.scalar(
            statement.on_conflict_do_nothing().returning(organization_erasure_receipts.c.org_id)
        )
        if first:
            return True
        kept = organization_erasure_receipts.c
        counts = {"keys": receipt.keys, "rows": receipt.rows, "files": receipt.files}
        await self._tx.execute(
            update(organization_erasure_receipts)
            .where(kept.org_id == receipt.org_id, kept.service == receipt.service)
            .values({name: func.greatest(kept[name], count) for name, count in counts.items()})
        )
        return False

    async def find_receipts(self, org_id: UUID) -> list[Receipt]:
        rows = await self._tx.rows(
            select(organization_erasure_receipts)
            .where(organization_erasure_receipts.c.org_id == org_id)
            .order_by(
                organization_erasure_receipts.c.erase_time, organization_erasure_receipts.c.service
            )
        )
        return [Receipt(**row._mapping) for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _


class EndingRepository:
    """The row of the transaction's organization, at its end."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._own = organizations.c.id == tx.org_id

    async def find_name(self) -> str | None:
        name: str | None = await self._tx.scalar(select(organizations.c.name).where(self._own))
        return name

    async def remove(self) -> int:
        """Remove the row, to which nothing refers any more; return how many there were."""
        return (await self._tx.execute(delete(organizations).where(self._own))).rowcount


def _deletion(row: Row[Any]) -> OrganizationDeletion:
    return OrganizationDeletion(**{**row._mapping, "owner_ids": tuple(row.owner_ids)})  # noqa: SLF001 # as above
