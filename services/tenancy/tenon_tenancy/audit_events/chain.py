"""The chain that makes an audit log provable: each line's hash covers the line before it.

A line's hash is SHA-256 over the hash before it (32 bytes; zeros before the first line) and the
line's canonical bytes: a JSON array in UTF-8 without spaces, of the format's name, the owner
(`orgs/<id>` or `users/<id>`), position, id, action, actor, resource, session id or null,
request id, count, and the time in whole microseconds since 1970 UTC. That is all of a line of
`tenon-audit-1`. A line that has a client or changes is of `tenon-audit-2`, which goes on with the
client's digest or null (`tenon_policy.audit_clients` says of what) and the changes or null.

Whoever has the lines can repeat that without Tenon. When a person is erased, their clients can no
longer be opened, and the digests stay: so the chain does not change.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tenon_tenancy.audit_events.models import Access, AuditEvent, Head

FORMAT = "tenon-audit-1"
FORMAT_WITH_CONTEXT = "tenon-audit-2"
GENESIS = bytes(32)
BEGINNING = Head(0, GENESIS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def chained(
    owner: str, last: int, previous: bytes, accesses: Iterable[Access]
) -> Iterator[AuditEvent]:
    """Make the lines that follow position `last`, whose hash is `previous`."""
    for position, access in enumerate(accesses, start=last + 1):
        previous = line_hash(previous, owner, position, access)
        yield AuditEvent(position, access, previous)


def rechained(owner: str, previous: bytes, lines: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """Give lines that are there their hashes, of which the first follows one with this hash."""
    for line in lines:
        previous = line_hash(previous, owner, line.position, line.access)
        yield replace(line, hash=previous)


def line_hash(previous: bytes, owner: str, position: int, access: Access) -> bytes:
    return hashlib.sha256(previous + _canonical(owner, position, access)).digest()


def microseconds(at: datetime) -> int:
    """Return the time in microseconds since 1970, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _canonical(owner: str, position: int, access: Access) -> bytes:
    has_context = access.client_digest is not None or access.changes is not None
    line = [
        FORMAT_WITH_CONTEXT if has_context else FORMAT,
        owner,
        position,
        str(access.id),
        access.action,
        access.actor,
        access.resource,
        access.session_id and str(access.session_id),
        access.request_id,
        access.count,
        microseconds(access.event_time),
    ]
    if has_context:
        line += [access.client_digest, access.changes and json.loads(access.changes)]
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()
