import json

from google.protobuf.json_format import ParseDict

from tenon.tenancy.v1 import audit_event_pb2
from tenon.tenancy.v1.audit_event_service_pb2 import (
    ListAuditEventsRequest,
    ListAuditEventsResponse,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceServicer
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time, unpacked_time
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_events.models import ShownEvent
from tenon_tenancy.audit_events.service import AuditEventService


class AuditEventServicer(AuditEventServiceServicer):
    def __init__(self, audit_events: AuditEventService) -> None:
        self._audit_events = audit_events

    async def ListAuditEvents(
        self, request: ListAuditEventsRequest, context: object
    ) -> ListAuditEventsResponse:
        page = await self._audit_events.list(
            current_call(), _filters(request), request.page_size, request.page_token
        )
        return ListAuditEventsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )


def _filters(request: ListAuditEventsRequest) -> Filters:
    return Filters(
        actor=request.actor,
        action=request.action,
        resource=request.resource,
        start_time=unpacked_time(request, "start_time"),
        end_time=unpacked_time(request, "end_time"),
    )


def _packed(shown: ShownEvent) -> audit_event_pb2.AuditEvent:
    event, access = shown.event, shown.event.access
    return audit_event_pb2.AuditEvent(
        id=str(access.id),
        action=access.action,
        actor=access.actor,
        resource=access.resource,
        request_id=access.request_id,
        count=access.count,
        event_time=packed_time(access.event_time),
        position=event.position,
        session_id=str(access.session_id or ""),
        hash=event.hash.hex(),
        changes=map(_packed_change, json.loads(access.changes or "[]")),
        ip_address=shown.client.client.ip_address,
        user_agent=shown.client.client.user_agent,
        client_digest=access.client_digest or "",
        client_salt=shown.client.salt,
    )


def _packed_change(change: dict[str, object]) -> audit_event_pb2.AuditChange:
    return ParseDict(change, audit_event_pb2.AuditChange())
