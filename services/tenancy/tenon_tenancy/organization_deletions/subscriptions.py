"""What services say of the organizations that they have erased, tenancy itself too."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from tenon.privacy.v1.events_pb2 import OrganizationDataErased
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_tenancy.organization_deletions.models import Receipt
from tenon_tenancy.organization_deletions.service import OrganizationDeletionService


def handlers(deletions: OrganizationDeletionService, source: str) -> Mapping[str, Handler]:
    """Return the handlers for the events of one service."""

    async def record(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            erased = OrganizationDataErased.FromString(event.payload)
            counts = (erased.keys, erased.rows, erased.files)
            await deletions.record(
                tx, Receipt(UUID(erased.org_id), source, *counts, event.event_time)
            )

    return {OrganizationDataErased.DESCRIPTOR.full_name: record}
