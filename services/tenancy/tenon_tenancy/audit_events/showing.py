"""Lines of a log with where their calls came from, which auth opens."""

from collections.abc import AsyncIterator, Sequence

from tenon_policy.audit_clients import OpenedClient
from tenon_tenancy.audit_events.models import AuditEvent, ShownEvent
from tenon_tenancy.clients import AuditClients

BATCH = 500


async def shown(clients: AuditClients, events: Sequence[AuditEvent]) -> list[ShownEvent]:
    """Return lines as who may read the log sees them; Unavailable."""
    sealed = {event.access.client for event in events if event.access.client}
    opened = await clients.open(sealed) if sealed else {}
    return [
        ShownEvent(event, opened.get(event.access.client or b"", OpenedClient()))
        for event in events
    ]


async def shown_log(
    clients: AuditClients, events: AsyncIterator[AuditEvent]
) -> AsyncIterator[ShownEvent]:
    """Yield the lines of a log likewise, in batches; Unavailable."""
    batch: list[AuditEvent] = []
    async for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            for line in await shown(clients, batch):
                yield line
            batch = []
    for line in await shown(clients, batch):
        yield line
