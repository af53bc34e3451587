from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_tenancy.ownership_offers.models import OwnershipOffer, ownership_offers


class OwnershipOfferRepository:
    """The last offer of one organization."""

    def __init__(self, tx: Transaction, org_id: UUID) -> None:
        self._tx = tx
        self._of_org = ownership_offers.c.org_id == org_id

    async def find(self) -> OwnershipOffer | None:
        row = await self._tx.row(select(ownership_offers).where(self._of_org))
        return OwnershipOffer(**row._mapping) if row else None  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def put(self, offer: OwnershipOffer) -> None:
        """Add an offer, in place of the one before."""
        values = asdict(offer)
        statement = insert(ownership_offers).values(values)
        changed = {name: statement.excluded[name] for name in values if name != "org_id"}
        await self._tx.execute(
            statement.on_conflict_do_update(index_elements=["org_id"], set_=changed)
        )

    async def set_accepted(self, at: datetime) -> None:
        await self._tx.execute(update(ownership_offers).where(self._of_org).values(accept_time=at))

    async def remove(self) -> None:
        await self._tx.execute(delete(ownership_offers).where(self._of_org))
