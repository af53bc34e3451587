from collections.abc import Mapping, Sequence
from uuid import UUID

from tenon.auth.v1.events_pb2 import UserErased
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_reports import events as told


def handlers() -> Mapping[str, Handler]:
    """Return the handlers for events of auth.

    Uploads, runs and files are their organization's; whose id stands at them is nobody's any more.
    """

    async def erase(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            erased = UserErased.FromString(event.payload)
            await tx.publish(told.personal_data_erased(UUID(erased.user_id)))

    return {UserErased.DESCRIPTOR.full_name: erase}
