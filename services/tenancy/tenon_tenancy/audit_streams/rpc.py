from typing import Any

from tenon.tenancy.v1 import audit_stream_pb2 as packed
from tenon.tenancy.v1.audit_stream_service_pb2 import (
    CreateAuditStreamRequest,
    CreateAuditStreamResponse,
    DeleteAuditStreamRequest,
    DeleteAuditStreamResponse,
    ListAuditDeliveriesRequest,
    ListAuditDeliveriesResponse,
    ListAuditStreamsRequest,
    ListAuditStreamsResponse,
    RotateAuditStreamSecretRequest,
    RotateAuditStreamSecretResponse,
    TestAuditStreamRequest,
    TestAuditStreamResponse,
    UpdateAuditStreamRequest,
    UpdateAuditStreamResponse,
)
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceServicer
from tenon_core import clock
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.audit_streams.models import (
    AuditStream,
    Bucket,
    Delivery,
    DeliveryState,
    StreamState,
    Webhook,
)
from tenon_tenancy.audit_streams.service import AuditStreamService

STATES = {
    StreamState.ACTIVE: packed.AUDIT_STREAM_STATE_ACTIVE,
    StreamState.RETRYING: packed.AUDIT_STREAM_STATE_RETRYING,
    StreamState.FAILING: packed.AUDIT_STREAM_STATE_FAILING,
    StreamState.DISABLED: packed.AUDIT_STREAM_STATE_DISABLED,
}
DELIVERY_STATES = {
    DeliveryState.PENDING: packed.AUDIT_DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: packed.AUDIT_DELIVERY_STATE_DELIVERED,
    DeliveryState.EXPIRED: packed.AUDIT_DELIVERY_STATE_EXPIRED,
}


class AuditStreamServicer(AuditStreamServiceServicer):
    def __init__(self, streams: AuditStreamService) -> None:
        self._streams = streams

    async def CreateAuditStream(
        self, request: CreateAuditStreamRequest, context: object
    ) -> CreateAuditStreamResponse:
        one_of = request.HasField("webhook") != request.HasField("bucket")
        stream = await self._streams.create(
            current_call(),
            request.description,
            _target(request) if one_of else None,
            request.secret_access_key,
        )
        return CreateAuditStreamResponse(stream=_packed_with_secret(stream))

    async def ListAuditStreams(
        self, request: ListAuditStreamsRequest, context: object
    ) -> ListAuditStreamsResponse:
        page = await self._streams.list(current_call(), request.page_size, request.page_token)
        return ListAuditStreamsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def UpdateAuditStream(
        self, request: UpdateAuditStreamRequest, context: object
    ) -> UpdateAuditStreamResponse:
        given: dict[str, Any] = {
            "description": request.description,
            "enabled": request.enabled,
            "webhook": _webhook(request),
            "bucket": _bucket(request),
            "secret_access_key": request.secret_access_key,
        }
        changes = {path: given.get(path) for path in request.update_mask.paths}
        stream = await self._streams.update(current_call(), parse_id(request.stream_id), changes)
        return UpdateAuditStreamResponse(stream=_packed(stream))

    async def RotateAuditStreamSecret(
        self, request: RotateAuditStreamSecretRequest, context: object
    ) -> RotateAuditStreamSecretResponse:
        stream_id = parse_id(request.stream_id)
        stream = await self._streams.rotate_secret(current_call(), stream_id)
        return RotateAuditStreamSecretResponse(stream=_packed_with_secret(stream))

    async def DeleteAuditStream(
        self, request: DeleteAuditStreamRequest, context: object
    ) -> DeleteAuditStreamResponse:
        await self._streams.delete(current_call(), parse_id(request.stream_id))
        return DeleteAuditStreamResponse()

    async def ListAuditDeliveries(
        self, request: ListAuditDeliveriesRequest, context: object
    ) -> ListAuditDeliveriesResponse:
        stream_id = parse_id(request.stream_id)
        page = await self._streams.deliveries(
            current_call(), stream_id, request.page_size, request.page_token
        )
        return ListAuditDeliveriesResponse(
            items=map(_packed_delivery, page.items), next_page_token=page.next_page_token
        )

    async def TestAuditStream(
        self, request: TestAuditStreamRequest, context: object
    ) -> TestAuditStreamResponse:
        error = await self._streams.test(current_call(), parse_id(request.stream_id))
        return TestAuditStreamResponse(delivered=not error, error=error)


def _target(request: CreateAuditStreamRequest) -> Webhook | Bucket:
    return _webhook(request) if request.HasField("webhook") else _bucket(request)


def _webhook(request: CreateAuditStreamRequest | UpdateAuditStreamRequest) -> Webhook:
    return Webhook(request.webhook.url)


def _bucket(request: CreateAuditStreamRequest | UpdateAuditStreamRequest) -> Bucket:
    said = request.bucket
    return Bucket(said.endpoint, said.region, said.bucket, said.prefix, said.access_key)


def _packed_with_secret(stream: AuditStream) -> packed.AuditStream:
    """Show a webhook's secret, too: where it was made just now."""
    made = _packed(stream)
    if isinstance(stream.target, Webhook):
        made.secret = stream.secret
    return made


def _packed(stream: AuditStream) -> packed.AuditStream:
    webhook, bucket = None, None
    match stream.target:
        case Webhook(url):
            webhook = packed.AuditWebhook(url=url)
        case Bucket(endpoint, region, name, prefix, access_key):
            bucket = packed.AuditBucket(
                endpoint=endpoint, region=region, bucket=name, prefix=prefix, access_key=access_key
            )
    failed = stream.last_error and stream.enabled
    expires = stream.old_secret_expire_time
    return packed.AuditStream(
        id=str(stream.id),
        description=stream.description,
        enabled=stream.enabled,
        state=STATES[stream.state(clock.now())],
        position=stream.position,
        last_error=stream.last_error,
        next_attempt_time=packed_time(stream.due_time) if failed and stream.due_time else None,
        creator_id=str(stream.creator_id),
        create_time=packed_time(stream.create_time),
        old_secret_expire_time=packed_time(expires) if expires and expires > clock.now() else None,
        webhook=webhook,
        bucket=bucket,
    )


def _packed_delivery(delivery: Delivery) -> packed.AuditDelivery:
    finished = delivery.finish_time
    return packed.AuditDelivery(
        id=str(delivery.id),
        first_position=delivery.first,
        last_position=delivery.last,
        state=DELIVERY_STATES[delivery.state],
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        create_time=packed_time(delivery.create_time),
        finish_time=packed_time(finished) if finished else None,
    )
