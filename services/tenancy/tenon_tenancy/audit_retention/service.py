from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog

from tenon_core import clock
from tenon_db.database import Database
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, Beginning, Checkpoint, LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import is_genuine
from tenon_tenancy.audit_events.chain import BEGINNING
from tenon_tenancy.audit_events.models import Access, Head, Log
from tenon_tenancy.audit_events.reading import scope
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_retention.repository import AuditRetentionRepository
from tenon_tenancy.errors import AuditLogBroken

ACTION = "tenancy.audit_events.remove"
ACTOR = "services/tenancy-worker"
BATCH = 1_000

logger = structlog.get_logger()


class AuditRetentionService:
    """Removes lines that are older than logs are kept, so that what is left can still be proved.

    Only what a checkpoint in the storage covers goes, up to that checkpoint. Before it does, the
    log says so, a checkpoint covers that, and a beginning is signed and kept in the storage: by it
    alone a verification takes a log that does not begin at line 1. Whatever dies in between, the
    next one goes on.
    """

    def __init__(
        self,
        database: Database,
        audit_events: AuditEventService,
        checkpoints: AuditCheckpointService,
        personal_days: int,
    ) -> None:
        self._database = database
        self._audit_events = audit_events
        self._checkpoints = checkpoints
        self._personal_days = personal_days

    async def limited(self) -> AsyncIterator[LogKey]:
        """Yield the logs that are not kept for ever."""
        for kind in CHECKPOINTS:
            after = UUID(int=0)
            while found := await self._find_limited(kind, after):
                for key in found:
                    yield key
                after = found[-1].owner_id

    async def remove_old(self, key: LogKey) -> None:
        """Remove the lines that are older than a log is kept now; AuditLogBroken."""
        async with scope(self._database, key.log, key.owner_id) as tx:
            days = await AuditRetentionRepository(tx, self._personal_days).days(key)
        before = clock.now() - timedelta(days=days) if days else None
        await self.remove(key, before)

    async def remove(self, key: LogKey, before: datetime | None) -> None:
        """Remove what a checkpoint of before a time covers, and what the log does not begin with
        any more; AuditLogBroken if the lines are not what was signed.
        """
        begins = await self._beginning(key)
        end = before and await self._checkpoints.last_before(key, before, begins.position)
        if end:
            begins = await self._begun(key, begins, end)
        if begins.position:
            await self._delete(key, begins.position)

    async def _beginning(self, key: LogKey) -> Head:
        found: Beginning | None = await self._checkpoints.beginning(key)
        if found is None:
            return BEGINNING
        if not is_genuine(found, self._checkpoints.public_keys):
            raise AuditLogBroken("its beginning is forged")
        return Head(found.position, found.hash)

    async def _begun(self, key: LogKey, begins: Head, end: Checkpoint) -> Head:
        """Let a log begin after a checkpoint; if somebody else let it begin later meanwhile, that
        is where.
        """
        try:
            return await self._begin(key, begins, end)
        except AuditLogBroken:
            moved = await self._beginning(key)
            if moved == begins:
                raise
            return moved

    async def _begin(self, key: LogKey, begins: Head, end: Checkpoint) -> Head:
        """Let a log begin after a checkpoint: said in the log, covered, and signed, in this
        order.
        """
        last = Head(end.position, end.hash)
        await self._checkpoints.require_leads(key, begins, last)
        await self._announce(key, begins.position + 1, last.position)
        await self._checkpoints.cover(key)
        await self._checkpoints.begin(key, last)
        return last

    async def _announce(self, key: LogKey, first: int, last: int) -> None:
        """Put the removal on record, once however often it is tried."""
        access = Access(
            id=uuid5(key.owner_id, f"{ACTION}/{last}"),
            action=ACTION,
            actor=ACTOR,
            resource=f"audit_events/{first}-{last}",
            session_id=None,
            request_id="",
            count=1,
            event_time=clock.now(),
        )
        async with scope(self._database, key.log, key.owner_id) as tx:
            await self._audit_events.head_within(tx)  # which locks the log: two may be at it
            await self._audit_events.record(tx, [access])

    async def _delete(self, key: LogKey, to: int) -> None:
        """Delete lines and checkpoints in small transactions; the lock of the log is never held."""
        async with scope(self._database, key.log, key.owner_id) as tx:
            begins_after = await self._audit_events.begins_after(tx)
        for after in range(begins_after, to, BATCH):
            async with scope(self._database, key.log, key.owner_id) as tx:
                last = min(after + BATCH, to)
                await self._audit_events.remove_within(tx, after, last)
                await self._checkpoints.remove_within(tx, key, after, before=min(last + 1, to))
        if begins_after < to:
            async with scope(self._database, key.log, key.owner_id) as tx:
                await self._audit_events.set_beginning(tx, to)
            logger.info("audit log begins later by retention", log=str(key), after=to)

    async def _find_limited(self, kind: Log, after: UUID) -> Sequence[LogKey]:
        async with self._database.system("checkpoints") as tx:
            retention = AuditRetentionRepository(tx, self._personal_days)
            return await retention.find_limited(kind, after, BATCH)
