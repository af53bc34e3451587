"""What a service holds of an organization that is deleted: the same words for every service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from tenon.privacy.v1.events_pb2 import OrganizationDataErased
from tenon.tenancy.v1.events_pb2 import OrganizationDeleted
from tenon_core.events import Event
from tenon_db.cursors import Handler
from tenon_db.deleted_organizations import Erased
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction

Erase: TypeAlias = Callable[[Transaction, UUID], Awaitable[None]]
"""Destroys what is held of the transaction's organization, or sees to it that somebody does."""


def deletion_handlers(erase: Erase) -> Mapping[str, Handler]:
    """Return the handlers for events of tenancy."""

    async def handle(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            deleted = OrganizationDeleted.FromString(event.payload)
            await erase(tx, UUID(deleted.org_id))

    return {OrganizationDeleted.DESCRIPTOR.full_name: handle}


def organization_data_erased(org_id: UUID, erased: Erased) -> Event:
    """Tell that nothing is left of an organization here."""
    payload = OrganizationDataErased(
        org_id=str(org_id), keys=erased.keys, rows=erased.rows, files=erased.files
    )
    return Event.of(payload, org_id=org_id)
