from collections.abc import Mapping, Sequence
from datetime import UTC

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_core.ids import parse_id
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.service import AuditEventService

SOURCES = ("auth", "tenancy", "reports", "notifications")
"""Whoever serves anybody reports every access, tenancy itself too."""


def handlers(audit_events: AuditEventService) -> Mapping[str, Handler]:
    async def record(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        await audit_events.record(tx, list(map(_access, events)))

    return {AccessRecorded.DESCRIPTOR.full_name: record}


def _access(event: FeedEvent) -> Access:
    recorded = AccessRecorded.FromString(event.payload)
    return Access(
        id=event.id,
        action=recorded.action,
        actor=recorded.actor,
        resource=_storable(recorded.resource),
        session_id=parse_id(recorded.session_id),
        request_id=_storable(recorded.request_id),
        count=recorded.count,
        event_time=recorded.access_time.ToDatetime(tzinfo=UTC),
        client=recorded.client or None,
        client_digest=recorded.client_digest or None,
        changes=recorded.changes or None,
    )


def _storable(text: str) -> str:
    """Replace NUL, which callers may send and PostgreSQL does not take: the log must go on."""
    return text.replace("\0", "\ufffd")
