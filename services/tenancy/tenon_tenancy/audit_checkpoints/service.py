from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_core import clock
from tenon_core.events import Event
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_position
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints.kept import KeptCheckpoints
from tenon_tenancy.audit_checkpoints.kept_beginnings import KeptBeginnings
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, Beginning, Checkpoint, Gap, LogKey
from tenon_tenancy.audit_checkpoints.repository import AuditCheckpointRepository
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys, is_genuine
from tenon_tenancy.audit_events.chain import BEGINNING
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Head, Log
from tenon_tenancy.audit_events.reading import read_log, scope
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_verification.verification import Verifier
from tenon_tenancy.errors import AuditLogBroken

BATCH = 500

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Round:
    """How many logs a round covered, failed to cover, and found broken."""

    covered: int
    failed: int
    broken: int


class AuditCheckpointService:
    """Signs what the logs are, and keeps that where the database's administrator cannot reach."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        audit_events: AuditEventService,
        keys: CheckpointKeys,
    ) -> None:
        self._database = database
        self._kept = KeptCheckpoints(storage)
        self._beginnings = KeptBeginnings(storage)
        self._audit_events = audit_events
        self._keys = keys

    @property
    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        return self._keys.public_keys

    async def cover_all(self) -> Round:
        """Make a checkpoint of each log that has grown, once; one that fails stops no other."""
        covered, failed, broken = 0, 0, 0
        for log in CHECKPOINTS:
            async for key in _pages(self._uncovered, log):
                try:
                    await self.cover(key)
                    covered += 1
                except AuditLogBroken:
                    broken += 1
                except Exception:
                    logger.exception("audit log is not covered by a checkpoint", log=str(key))
                    failed += 1
        return Round(covered, failed, broken)

    async def create(self, call: Call) -> Checkpoint:
        """Make a checkpoint of an organization's log as it is now."""
        return await self.cover(LogKey(ORGANIZATIONS, call.org), call.access("audit_checkpoints"))

    async def cover(self, key: LogKey, *events: Event) -> Checkpoint:
        """Make a checkpoint of a log as it is now, and tell of it by `events`; AuditLogBroken if it
        does not go on from its last one.

        The storage has it before the database says so: a crash in between repeats it.
        """
        try:
            checkpoint = await self._signed(key)
        except AuditLogBroken as error:
            logger.error("audit log is broken", log=str(key), error=error.detail)  # noqa: TRY400
            raise
        await self._kept.point(key, checkpoint)
        async with scope(self._database, key.log, key.owner_id) as tx:
            await AuditCheckpointRepository(tx).add(key, checkpoint)
            if events:
                await tx.publish(*events)
        return checkpoint

    async def logs(self) -> AsyncIterator[LogKey]:
        """Yield every log that there is, or was when there was a checkpoint of it."""
        for log in CHECKPOINTS:
            kept = {owner_id async for owner_id in self._kept.owners(log)}
            async for key in _pages(self._logs, log):
                kept.discard(key.owner_id)
                yield key
            for owner_id in sorted(kept):
                yield LogKey(log, owner_id)

    async def beginning(self, key: LogKey) -> Beginning | None:
        """Return where a log begins as the storage has it, genuine or not; None for line 1."""
        return await self._beginnings.last(key)

    async def get_beginning(self, call: Call) -> Beginning | None:
        """Return where an organization's log begins; None for line 1."""
        return await self.beginning(LogKey(ORGANIZATIONS, call.org))

    async def last_before(self, key: LogKey, at: datetime, after: int) -> Checkpoint | None:
        """Return the last checkpoint after a position that was signed before a time, if there is
        one; AuditLogBroken if the storage has another one there, or none.
        """
        async with scope(self._database, key.log, key.owner_id) as tx:
            position = await AuditCheckpointRepository(tx).last_before(key, at, after)
        if position is None:
            return None
        kept = await self._kept.at(key, position)
        if not kept or not is_genuine(kept, self.public_keys) or kept.create_time >= at:
            raise AuditLogBroken(f"its checkpoint at {position} is not in the storage")
        return kept

    async def require_leads(self, key: LogKey, start: Head, end: Head) -> None:
        """Refuse lines that do not lead from one place to another; AuditLogBroken."""
        if not await self._fits(key, start, end):
            raise AuditLogBroken(f"its lines after {start.position} do not lead to {end.position}")

    async def begin(self, key: LogKey, last_removed: Head) -> None:
        """Sign that a log begins after a line, and let the storage keep that."""
        beginning = self._keys.sign_beginning(str(key), last_removed, clock.now())
        await self._beginnings.keep(key, beginning)

    async def remove_within(self, tx: Transaction, key: LogKey, after: int, before: int) -> None:
        """Let the database forget the checkpoints between two positions; the storage keeps them."""
        await AuditCheckpointRepository(tx).remove(key, after, before)

    async def of(self, key: LogKey, after: int = 0) -> AsyncIterator[Checkpoint | Gap]:
        """Yield a log's checkpoints after a position, in order: those of the storage, those that
        the database knows if they say something else, and where the storage has none any more.
        """
        rows = self._rows(key, after or -1)  # one that says 0 is a forged one
        row = await anext(rows, None)
        async for kept in self._kept.all(key, after):
            while row and row.position < kept.position:
                async for known in self._known(key, row):
                    yield known
                row = await anext(rows, None)
            if row and row == kept:
                row = await anext(rows, None)
            yield kept
        while row:
            async for known in self._known(key, row):
                yield known
            row = await anext(rows, None)

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Checkpoint]:
        """List an organization's checkpoints, newest first."""
        size, before = clamp(page_size), read_position(page_token)
        key = LogKey(ORGANIZATIONS, call.org)
        async with self._database.tenant(call.org) as tx:
            rows = await AuditCheckpointRepository(tx).page(key, size + 1, before)
        return cut(rows, size, lambda checkpoint: (checkpoint.position,))

    async def around(self, key: LogKey, first: int, last: int) -> tuple[int, int]:
        """Widen a stretch of a log: to the line after the checkpoint before it, and to the
        checkpoint that covers it, which a log that is broken may not get.
        """
        with suppress(AuditLogBroken):
            await self.cover(key)
        async with scope(self._database, key.log, key.owner_id) as tx:
            checkpoints = AuditCheckpointRepository(tx)
            before = await checkpoints.page(key, 1, first)
            covering = await checkpoints.after(key, last - 1, 1)
        return (
            before[0].position + 1 if before else 1,
            covering[0].position if covering else last,
        )

    async def between(self, key: LogKey, first: int, last: int) -> AsyncIterator[Checkpoint]:
        """Yield the checkpoints of a stretch of a log that the database knows, by position."""
        async for checkpoint in self._rows(key, first - 1):
            if checkpoint.position > last:
                return
            yield checkpoint

    async def _signed(self, key: LogKey) -> Checkpoint:
        """Sign what a log is, if it goes on from its last checkpoint, and let the storage keep it.

        The head is read last: it may be ahead of that checkpoint, never behind it.
        """
        last = await self._last(key)
        async with scope(self._database, key.log, key.owner_id) as tx:
            head = await self._audit_events.head_within(tx)
        start = Head(last.position, last.hash) if last else BEGINNING
        if not await self._fits(key, start, head):
            raise AuditLogBroken(f"its lines after {start.position} do not follow that checkpoint")
        if last and last.position == head.position:
            return last
        checkpoint = self._keys.sign(str(key), head, start.position, clock.now())
        kept = await self._kept.keep(key, checkpoint)
        if kept.hash != head.hash or not is_genuine(kept, self.public_keys):
            raise AuditLogBroken(f"another checkpoint at {head.position} is there")
        return kept

    async def _last(self, key: LogKey) -> Checkpoint | None:
        """Return what was signed last; AuditLogBroken if that is not what the storage has.

        The database names a newer one than `latest.json` if that could not be replaced, or two
        did it at once.
        """
        async with scope(self._database, key.log, key.owner_id) as tx:
            named = await AuditCheckpointRepository(tx).page(key, 1, None)
        last = await self._kept.latest(key)
        if last and not is_genuine(last, self.public_keys):
            raise AuditLogBroken("its last checkpoint is forged")
        if last and named and named[0].position > last.position:
            newer = await self._kept.at(key, named[0].position)
            return newer if newer and is_genuine(newer, self.public_keys) else last
        return last

    async def _fits(self, key: LogKey, start: Head, head: Head) -> bool:
        """Say whether a log's lines lead from one place to another."""
        if head.position <= start.position:
            return head == start
        verifier = Verifier(str(key), start)
        verifier.expect(head)
        lines = read_log(self._database, key.log, key.owner_id, start.position, head.position)
        async for line in lines:
            verifier.take(line)
        return not verifier.finish().findings

    async def _known(self, key: LogKey, row: Checkpoint) -> AsyncIterator[Checkpoint | Gap]:
        """Yield what the database knows, and the gap if that was signed and is not kept."""
        yield row
        if is_genuine(row, self.public_keys) and not await self._kept.at(key, row.position):
            yield Gap(row.position)

    async def _rows(self, key: LogKey, after: int) -> AsyncIterator[Checkpoint]:
        while True:
            async with scope(self._database, key.log, key.owner_id) as tx:
                rows = await AuditCheckpointRepository(tx).after(key, after, BATCH)
            for row in rows:
                yield row
            if len(rows) < BATCH:
                return
            after = rows[-1].position

    async def _uncovered(self, log: Log, after: UUID) -> Sequence[LogKey]:
        async with self._database.system("checkpoints") as tx:
            return await AuditCheckpointRepository(tx).find_uncovered(log, after, BATCH)

    async def _logs(self, log: Log, after: UUID) -> Sequence[LogKey]:
        async with self._database.system("checkpoints") as tx:
            return await AuditCheckpointRepository(tx).find_logs(log, after, BATCH)


async def _pages(
    find: Callable[[Log, UUID], Awaitable[Sequence[LogKey]]], log: Log
) -> AsyncIterator[LogKey]:
    """Yield what is found, in order of owners, each once however much is added meanwhile."""
    after = UUID(int=0)
    while found := await find(log, after):
        for key in found:
            yield key
        after = found[-1].owner_id
