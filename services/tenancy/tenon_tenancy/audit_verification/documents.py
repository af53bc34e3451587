"""An audit log as a file of JSON Lines, oldest line first, for whoever checks it without Tenon.

Each line has `owner` (`orgs/<id>` or `users/<id>`), `position`, `id`, `action`, `actor`,
`resource`, `session_id` (or null), `request_id`, `count`, `time_us` (microseconds since 1970 UTC),
`client_digest` and `changes` (or null), and `hash` (`audit_events/chain.py` says of what). Where
the call came from is in `client_salt`, `ip_address` and `user_agent`, which the digest is of; they
are null where there is no digest, and once the person was erased. Lines that were written by an
older version have none of these five.
"""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from tenon_policy.audit_clients import Client, OpenedClient
from tenon_tenancy.audit_events.chain import EPOCH, microseconds
from tenon_tenancy.audit_events.models import Access, AuditEvent, ShownEvent


class BadDocument(Exception):
    """This is no line of an audit log."""


def as_said(owner: str, shown: ShownEvent) -> dict[str, Any]:
    """Return what is told of a line, in the order in which it is written."""
    line, access, client = shown.event, shown.event.access, shown.client.client
    return {
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
        "client_digest": access.client_digest,
        "changes": access.changes and json.loads(access.changes),
        "client_salt": shown.client.salt or None,
        "ip_address": client.ip_address if shown.client.salt else None,
        "user_agent": client.user_agent if shown.client.salt else None,
        "hash": line.hash.hex(),
    }


def written(owner: str, shown: ShownEvent) -> bytes:
    return json.dumps(as_said(owner, shown), ensure_ascii=False).encode() + b"\n"


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
            client_digest=_digest(said),
            changes=_changes(said),
        )
        event = AuditEvent(int(said["position"]), access, bytes.fromhex(said["hash"]))
        return str(said["owner"]), event
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadDocument(f"this is no line of an audit log: {error!r}") from None


def _digest(said: dict[str, Any]) -> str | None:
    """Return the digest of a line's client: of what is shown, where that is, so that a change to it
    shows as one to the line.
    """
    shown = [said.get(name) for name in ("client_salt", "ip_address", "user_agent")]
    if shown == [None, None, None]:
        return said.get("client_digest")
    salt, ip_address, user_agent = map(str, shown)
    return OpenedClient(salt, Client(ip_address, user_agent)).digest


def _changes(said: dict[str, Any]) -> str | None:
    changes = said.get("changes")
    return None if changes is None else json.dumps(changes, ensure_ascii=False)
