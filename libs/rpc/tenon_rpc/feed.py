"""The event feed over gRPC: served by each service, pulled by whoever consumes it."""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

import grpc

from tenon.events.v1.event_feed_service_pb2 import (
    Event,
    GetStandRequest,
    GetStandResponse,
    PullEventsRequest,
    PullEventsResponse,
)
from tenon.events.v1.event_feed_service_pb2_grpc import (
    EventFeedServiceServicer,
    EventFeedServiceStub,
)
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import parse_id
from tenon_db.feed import Feed, FeedEvent, Stand
from tenon_rpc.times import packed_time

DEFAULT_LIMIT = 500
MAX_LIMIT = 1_000


class EventFeedServicer(EventFeedServiceServicer):
    """Serves a service's own feed to its peers."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def PullEvents(
        self,
        request: PullEventsRequest,
        context: object,
    ) -> PullEventsResponse:
        if not 0 <= request.limit <= MAX_LIMIT:
            raise InvalidArgument(fields=[FieldError("/limit", "must be from 0 to 1000")])
        events, next_position = await self._feed.pull(
            request.after_position, request.types, request.limit or DEFAULT_LIMIT
        )
        return PullEventsResponse(events=map(_packed, events), next_position=next_position)

    async def GetStand(self, request: GetStandRequest, context: object) -> GetStandResponse:
        stand = await self._feed.stand(request.after_position)
        return GetStandResponse(
            first_position=stand.first,
            head_position=stand.head,
            waiting_since_time=packed_time(stand.waiting_since),
        )


class PeerFeed:
    """Pulls another service's feed."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self.name = name
        self._stub = EventFeedServiceStub(channel)

    async def pull(
        self, after: int, types: Sequence[str], limit: int
    ) -> tuple[Sequence[FeedEvent], int]:
        reply = await self._stub.PullEvents(
            PullEventsRequest(after_position=after, types=types, limit=limit)
        )
        return [_unpacked(event) for event in reply.events], reply.next_position

    async def stand(self, after: int) -> Stand:
        reply = await self._stub.GetStand(GetStandRequest(after_position=after))
        waiting = reply.HasField("waiting_since_time")
        since = reply.waiting_since_time.ToDatetime(tzinfo=UTC) if waiting else None
        return Stand(reply.first_position, reply.head_position, since)


def _packed(event: FeedEvent) -> Event:
    packed = Event(
        id=str(event.id),
        position=event.position,
        type=event.type,
        org_id=str(event.org_id or ""),
        user_id=str(event.user_id or ""),
        payload=event.payload,
    )
    packed.event_time.FromDatetime(event.event_time)
    return packed


def _unpacked(event: Event) -> FeedEvent:
    return FeedEvent(
        id=UUID(event.id),
        position=event.position,
        type=event.type,
        org_id=parse_id(event.org_id),
        user_id=parse_id(event.user_id),
        event_time=event.event_time.ToDatetime(tzinfo=UTC),
        payload=event.payload,
    )
