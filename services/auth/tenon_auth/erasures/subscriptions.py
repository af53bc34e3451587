"""What other services say about erasures."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from tenon.notifications.v1.events_pb2 import ErasureReported
from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon_auth.erasures.models import Receipt
from tenon_auth.erasures.service import ErasureService
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction


def handlers(erasures: ErasureService, source: str) -> Mapping[str, Handler]:
    """Return the handlers for the events of one service."""

    async def record(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            erased = PersonalDataErased.FromString(event.payload)
            user_id = UUID(erased.user_id)
            await erasures.record(
                tx, Receipt(user_id, source, erased.keys, erased.rows, event.event_time)
            )

    async def forget(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            reported = ErasureReported.FromString(event.payload)
            await erasures.forget_notice(tx, UUID(reported.erasure_id))

    return {
        PersonalDataErased.DESCRIPTOR.full_name: record,
        ErasureReported.DESCRIPTOR.full_name: forget,
    }
