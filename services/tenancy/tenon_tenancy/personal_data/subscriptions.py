from collections.abc import Mapping, Sequence

from tenon.auth.v1.events_pb2 import UserErased
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_tenancy.personal_data.tasks import ERASE


def handlers(queue: JobQueue) -> Mapping[str, Handler]:
    """Return the handlers for events of auth."""

    async def erase(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            erased = UserErased.FromString(event.payload)
            payload = {"user_id": erased.user_id}
            await queue.enqueue(tx, ERASE, payload, user_id=event.user_id)

    return {UserErased.DESCRIPTOR.full_name: erase}
