from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from tenon_core import clock
from tenon_core.events import Event
from tenon_crypto.keyring import KeyKind, Keyring
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue
from tenon_rotation.models import Level, Rotation, State
from tenon_rotation.pace import Pace
from tenon_rotation.repository import RotationRepository

ROTATE = "keys.rotate"
KINDS = {Level.KEK: KeyKind.KEK, Level.INDEX: KeyKind.INDEX}


class LevelRotation(Protocol):
    """How the keys of one level are replaced."""

    async def total(self, org_id: UUID | None) -> int:
        """Return how much there is to be done."""

    async def run(self, rotation: Rotation, pace: Pace) -> bool:
        """Go on until the time is over; say whether all is done."""


class RotationService:
    """The rotations of one service: at most one of a level at a time for all, and for each
    organization.
    """

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        keyring: Keyring,
        levels: Mapping[Level, LevelRotation],
    ) -> None:
        self.levels = levels
        self.keyring = keyring
        self._database = database
        self._queue = queue

    async def start(
        self, level: Level, record: Event, org_id: UUID | None = None, *, renew: bool = True
    ) -> Rotation:
        """Begin a rotation, or return the one that runs; `record` goes into the audit log.

        Without `renew` the keyring's current key is the new one. KeyringReadOnly.
        """
        last = await self.find_last(level, org_id)
        if renew and level in KINDS and not (last and last.state is State.RUNNING):
            await self.keyring.add(KINDS[level])
        begin = clock.now() + timedelta(seconds=self._settling(level))
        total = await self.levels[level].total(org_id)
        async with self._transaction(org_id) as tx:
            rotations = RotationRepository(tx, self._database.schema)
            rotation = await rotations.add(level, org_id, total)
            if rotation:
                await self._enqueue(tx, rotation, begin)
            await tx.publish(record)
        rotation = rotation or await self.find_last(level, org_id)
        assert rotation is not None, "it was in the way"
        return rotation

    async def find_last(self, level: Level, org_id: UUID | None = None) -> Rotation | None:
        """Return the newest rotation, whatever became of it."""
        async with self._transaction(org_id) as tx:
            return await RotationRepository(tx, self._database.schema).find_last(level, org_id)

    async def go_on(self, job: Job, pace: Pace) -> None:
        """Do a part of a rotation, and leave the rest to a job of its own."""
        async with self._database.system("rotation") as tx:
            rotations = RotationRepository(tx, self._database.schema)
            rotation = await rotations.find(UUID(job.payload["rotation_id"]))
        if rotation is None or rotation.state is not State.RUNNING:
            return
        done = await self.levels[rotation.level].run(rotation, pace)
        async with self._database.system("rotation") as tx:
            if done:
                await self._finish(tx, rotation.id)
            else:
                await self._enqueue(tx, rotation, clock.now())
            await job.complete(tx)

    async def fail(self, tx: Transaction, rotation_id: UUID) -> None:
        """Record that a rotation cannot go on: another one may begin, and takes up what is left."""
        await RotationRepository(tx, self._database.schema).finish(rotation_id, State.FAILED)

    async def _finish(self, tx: Transaction, rotation_id: UUID) -> None:
        rotations = RotationRepository(tx, self._database.schema)
        rotation = await rotations.find(rotation_id)
        complete = rotation is not None and not rotation.left
        await rotations.finish(rotation_id, State.SUCCEEDED if complete else State.FAILED)

    async def _enqueue(self, tx: Transaction, rotation: Rotation, run_at: datetime) -> None:
        payload = {"rotation_id": str(rotation.id)}
        await self._queue.enqueue(tx, ROTATE, payload, org_id=rotation.org_id, run_at=run_at)

    def _settling(self, level: Level) -> float:
        return self.keyring.settle_seconds if level in KINDS else 0.0

    def _transaction(self, org_id: UUID | None) -> AbstractAsyncContextManager[Transaction]:
        return self._database.tenant(org_id) if org_id else self._database.system("rotation")
