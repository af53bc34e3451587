"""The lines of an audit log as an export has them: JSON Lines as `tenon audit export` writes them,
or CSV for spreadsheets.
"""

import csv
import io
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tenon_core.spreadsheets import guarded
from tenon_tenancy.audit_events.models import ShownEvent
from tenon_tenancy.audit_exports.models import ExportFormat
from tenon_tenancy.audit_verification import documents

Written: TypeAlias = Callable[[str, ShownEvent], bytes]
"""Writes a line of an owner's log."""

COLUMNS = (
    "position",
    "time",
    "actor",
    "action",
    "resource",
    "count",
    "session_id",
    "request_id",
    "id",
    "ip_address",
    "user_agent",
    "changes",
    "client_digest",
    "client_salt",
    "hash",
)
HEADERS = {ExportFormat.CSV: ",".join(COLUMNS).encode() + b"\n", ExportFormat.JSONL: b""}


def written_as_csv(_: str, shown: ShownEvent) -> bytes:
    """Return a row; its time is RFC 3339 in UTC with all six digits of a second's fraction."""
    line, access, client = shown.event, shown.event.access, shown.client.client
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        (
            line.position,
            access.event_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            guarded(access.actor),
            guarded(access.action),
            guarded(access.resource),
            access.count,
            access.session_id or "",
            guarded(access.request_id),
            access.id,
            client.ip_address,
            guarded(client.user_agent),
            guarded(access.changes or ""),
            access.client_digest or "",
            shown.client.salt,
            line.hash.hex(),
        )
    )
    return text.getvalue().encode()


WRITTEN: Mapping[ExportFormat, Written] = {
    ExportFormat.CSV: written_as_csv,
    ExportFormat.JSONL: documents.written,
}
