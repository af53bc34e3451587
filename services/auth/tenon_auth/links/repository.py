from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, literal, select, update

from tenon_auth.links.models import Link, Purpose, links
from tenon_db.transaction import Transaction


class LinkRepository:
    """The links of the transaction's user."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, link: Link) -> None:
        await self._tx.execute(insert(links).values(asdict(link)))

    async def find(self, link_id: UUID) -> Link | None:
        row = await self._tx.row(
            select(links).where(links.c.user_id == self._tx.user_id, links.c.id == link_id)
        )
        if row is None:
            return None
        return Link(
            id=row.id,
            user_id=row.user_id,
            purpose=Purpose(row.purpose),
            create_time=row.create_time,
            expire_time=row.expire_time,
            use_time=row.use_time,
        )

    async def delete_old(self, user_id: UUID, before: datetime) -> None:
        await self._tx.execute(
            delete(links).where(links.c.user_id == user_id, links.c.expire_time < before)
        )

    async def delete_all(self, user_id: UUID) -> None:
        await self._tx.execute(delete(links).where(links.c.user_id == user_id))

    async def lock(self, user_id: UUID) -> None:
        """Let others who make links for the user wait until the commit."""
        name = literal(f"links/{user_id}")
        await self._tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def use_up(self, user_id: UUID, purpose: Purpose, at: datetime) -> None:
        """Let none of these be used any more."""
        await self._tx.execute(
            update(links)
            .where(
                links.c.user_id == user_id,
                links.c.purpose == purpose,
                links.c.use_time.is_(None),
            )
            .values(use_time=at)
        )

    async def count(self, purpose: Purpose, since: datetime) -> int:
        """Return how many were made for a purpose since then."""
        counted: int = await self._tx.scalar(
            select(func.count()).where(
                links.c.user_id == self._tx.user_id,
                links.c.purpose == purpose,
                links.c.create_time > since,
            )
        )
        return counted

    async def use(self, link_id: UUID, purpose: Purpose, at: datetime) -> bool:
        """Use a link that is good; say whether it was. Of many at once, one is told so."""
        used = await self._tx.execute(
            update(links)
            .where(
                links.c.user_id == self._tx.user_id,
                links.c.id == link_id,
                links.c.purpose == purpose,
                links.c.use_time.is_(None),
                links.c.expire_time > at,
            )
            .values(use_time=at)
        )
        return used.rowcount == 1
