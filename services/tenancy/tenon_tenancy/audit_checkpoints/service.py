from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_core import clock
from tenon_core.events import Event
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_position
from tenon_policy.call import Call
from tenon_storage.errors import ObjectNotFound
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import CHECKPOINTS, Checkpoint, LogKey
from tenon_tenancy.audit_checkpoints.repository import AuditCheckpointRepository
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_events.chain import EPOCH
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Log
from tenon_tenancy.audit_events.reading import scope
from tenon_tenancy.audit_events.service import AuditEventService

BATCH = 500


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
        self._storage = storage
        self._audit_events = audit_events
        self._keys = keys

    @property
    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        return self._keys.public_keys

    async def cover_all(self) -> int:
        """Make a checkpoint of each log that has grown; return how many."""
        covered = 0
        for log in CHECKPOINTS:
            while keys := await self._uncovered(log):
                for key in keys:
                    await self.cover(key)
                covered += len(keys)
        return covered

    async def create(self, call: Call) -> Checkpoint:
        """Make a checkpoint of an organization's log as it is now."""
        return await self.cover(LogKey(ORGANIZATIONS, call.org), call.access("audit_checkpoints"))

    async def cover(self, key: LogKey, *events: Event) -> Checkpoint:
        """Make a checkpoint of a log as it is now, and tell of it by `events`.

        The storage has it before the database says so: a crash in between repeats it.
        """
        async with scope(self._database, key.log, key.owner_id) as tx:
            head = await self._audit_events.head_within(tx)
        checkpoint = self._keys.sign(str(key), head, clock.now())
        document = documents.written(checkpoint)
        for name in (f"audit/{key}/{head.position:019}.json", _latest(key)):
            async with self._storage.write(name) as file:
                await file.write(document)
        async with scope(self._database, key.log, key.owner_id) as tx:
            await AuditCheckpointRepository(tx).add(key, checkpoint)
            if events:
                await tx.publish(*events)
        return checkpoint

    async def logs(self) -> AsyncIterator[LogKey]:
        """Yield every log that there is."""
        for log in CHECKPOINTS:
            after = None
            while found := await self._logs_after(log, after):
                for key in found:
                    yield key
                after = found[-1].owner_id

    async def of(self, key: LogKey) -> AsyncIterator[Checkpoint]:
        """Yield a log's checkpoints: those that the database knows, and the storage's last."""
        before = None
        while True:
            async with scope(self._database, key.log, key.owner_id) as tx:
                page = await AuditCheckpointRepository(tx).page(key, BATCH, before)
            for checkpoint in page:
                yield checkpoint
            if len(page) < BATCH:
                break
            before = page[-1].position
        with suppress(ObjectNotFound):
            document = b"".join([chunk async for chunk in self._storage.read(_latest(key))])
            yield _read(key, document)

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Checkpoint]:
        """List an organization's checkpoints, newest first."""
        size, before = clamp(page_size), read_position(page_token)
        key = LogKey(ORGANIZATIONS, call.org)
        async with self._database.tenant(call.org) as tx:
            rows = await AuditCheckpointRepository(tx).page(key, size + 1, before)
        return cut(rows, size, lambda checkpoint: (checkpoint.position,))

    async def _uncovered(self, log: Log) -> Sequence[LogKey]:
        async with self._database.system("checkpoints") as tx:
            return await AuditCheckpointRepository(tx).find_uncovered(log, BATCH)

    async def _logs_after(self, log: Log, after: UUID | None) -> Sequence[LogKey]:
        async with self._database.system("checkpoints") as tx:
            return await AuditCheckpointRepository(tx).find_logs(log, after, BATCH)


def _read(key: LogKey, document: bytes) -> Checkpoint:
    """Read what the storage has; what is no checkpoint any more is one that nobody signed."""
    try:
        return documents.read(document)
    except documents.BadDocument:
        return Checkpoint(str(key), 0, b"", EPOCH, "", b"")


def _latest(key: LogKey) -> str:
    return f"audit/{key}/latest.json"
