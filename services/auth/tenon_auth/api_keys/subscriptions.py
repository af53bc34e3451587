"""What tenancy says about members whose keys are to be revoked."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from tenon.tenancy.v1.events_pb2 import MemberRemoved, MemberUpdated
from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction


def handlers(ending: ApiKeyEnding) -> Mapping[str, Handler]:
    """Return the handlers for the events of tenancy."""

    def revoking(kind: type[MemberRemoved] | type[MemberUpdated]) -> Handler:
        async def revoke(tx: Transaction, events: Sequence[FeedEvent]) -> None:
            for event in events:
                change = kind.FromString(event.payload)
                if change.revoke_api_keys:
                    await ending.end_of(tx, UUID(change.user_id))

        return revoke

    return {kind.DESCRIPTOR.full_name: revoking(kind) for kind in (MemberRemoved, MemberUpdated)}
