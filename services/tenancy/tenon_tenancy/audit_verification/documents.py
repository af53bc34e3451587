"""An audit log as a file of JSON Lines, oldest line first, for whoever checks it without Tenon.

Each line has `owner` (`orgs/<id>` or `users/<id>`), `position`, `id`, `action`, `actor`,
`resource`, `session_id` (or null), `request_id`, `count`, `time_us` (microseconds since 1970 UTC)
and `hash` (`audit_events/chain.py` says of what).
"""

import json
from datetime import timedelta
from uuid import UUID

from tenon_tenancy.audit_events.chain import EPOCH, microseconds
from tenon_tenancy.audit_events.models import Access, AuditEvent


class BadDocument(Exception):
    """This is no line of an audit log."""


def written(owner: str, line: AuditEvent) -> bytes:
    access = line.access
    said = {
        "owner": owner,
        "position": line.position,
        "id": str(access.id),
        "action": access.action,
        "actor": access.actor,
        "resource": access.resource,
        "session_id": access.session_id and str(access.session_id),
        "request_id": access.request_id,
        "count": access.count,
        "time_us": microseconds(access.event_time),
        "hash": line.hash.hex(),
    }
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def read(line: str | bytes) -> tuple[str, AuditEvent]:
    """Read what `written` wrote, with its owner; BadDocument."""
    try:
        said = json.loads(line)
        session_id = said["session_id"]
        access = Access(
            id=UUID(said["id"]),
            action=str(said["action"]),
            actor=str(said["actor"]),
            resource=str(said["resource"]),
            session_id=session_id and UUID(session_id),
            request_id=str(said["request_id"]),
            count=int(said["count"]),
            event_time=EPOCH + timedelta(microseconds=said["time_us"]),
        )
        event = AuditEvent(int(said["position"]), access, bytes.fromhex(said["hash"]))
        return str(said["owner"]), event
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadDocument(f"this is no line of an audit log: {error!r}") from None
