from collections.abc import Sequence
from uuid import UUID

from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_position
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_events.models import Access, AuditEvent, Head, ShownEvent
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.audit_events.search_repository import AuditSearchRepository
from tenon_tenancy.audit_events.showing import shown
from tenon_tenancy.clients import AuditClients


class AuditEventService:
    """The audit logs."""

    def __init__(self, database: Database, clients: AuditClients) -> None:
        self._database = database
        self._clients = clients

    async def record(self, tx: Transaction, accesses: Sequence[Access]) -> None:
        """Append accesses to the log that the transaction's scope says."""
        await AuditEventRepository(tx).append(accesses)

    async def head_within(self, tx: Transaction) -> Head:
        """Return where the log ends that the transaction's scope says."""
        return await AuditEventRepository(tx).head()

    async def after_within(
        self, tx: Transaction, position: int, to: int | None, limit: int
    ) -> Sequence[AuditEvent]:
        """Return lines that follow a position in the log that the transaction's scope says."""
        return await AuditEventRepository(tx).after(position, to, limit)

    async def remove_within(self, tx: Transaction, after: int, to: int) -> None:
        """Remove lines of the log that the transaction's scope says."""
        await AuditEventRepository(tx).remove(after, to)

    async def begins_after(self, tx: Transaction) -> int:
        """Return up to which line the log was removed that the transaction's scope says."""
        return await AuditEventRepository(tx).begins_after()

    async def set_beginning(self, tx: Transaction, position: int) -> None:
        """Say after which line the log begins that the transaction's scope says."""
        await AuditEventRepository(tx).set_beginning(position)

    async def list(
        self, call: Call, filters: Filters, page_size: int, page_token: str
    ) -> Page[ShownEvent]:
        """List what the filters let through of an organization's log, newest first; Unavailable
        if auth cannot say where the calls came from.
        """
        filters.require_valid()
        size, before = clamp(page_size), read_position(page_token)
        async with self._database.tenant(call.org) as tx:
            rows = await AuditSearchRepository(tx, call.org).page(filters, size + 1, before)
        page = cut(rows, size, lambda event: (event.position,))
        return Page(await shown(self._clients, page.items), page.next_page_token)

    async def ends(self, org_id: UUID, filters: Filters) -> tuple[int, int] | None:
        """Return the first and the last position of what the filters let through, if anything."""
        async with self._database.tenant(org_id) as tx:
            return await AuditSearchRepository(tx, org_id).ends(filters)
