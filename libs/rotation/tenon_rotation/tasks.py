from datetime import datetime, timedelta
from uuid import UUID

import structlog

from tenon_core import clock
from tenon_crypto.keyring import KeyringReadOnly
from tenon_crypto.wrapped_keys import PURPOSE, WrappedKeyRepository
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType, Recurring, Scope
from tenon_policy.records import deed
from tenon_rotation.indexes import IndexRotation
from tenon_rotation.models import Level, State
from tenon_rotation.owners import Owners
from tenon_rotation.pace import Pace
from tenon_rotation.service import KINDS, ROTATE, RotationService

CHECK = "keys.check"
DAILY = "23 4 * * *"

log = structlog.get_logger()


class RotationTasks:
    """Rotations that run, and a daily look whether a key is so many `days` old."""

    def __init__(
        self,
        database: Database,
        rotations: RotationService,
        owners: Owners,
        days: float,
        *,
        lease_seconds: float = 30.0,
    ) -> None:
        self._database = database
        self._rotations = rotations
        self._owners = owners
        self._age = timedelta(days=days)
        self._lease_seconds = lease_seconds

    def types(self) -> list[JobType]:
        return [
            JobType(
                ROTATE,
                self.rotate,
                lease_seconds=self._lease_seconds,
                max_attempts=1_000,
                longest_delay=60.0,
                on_failed=self.fail,
                scope=Scope.SYSTEM,
            ),
            JobType(CHECK, self.check, scope=Scope.SYSTEM),
        ]

    def recurring(self) -> list[Recurring]:
        return [Recurring(CHECK, DAILY, CHECK)]

    async def rotate(self, job: Job) -> None:
        await self._rotations.go_on(job, Pace())

    async def fail(self, tx: Transaction, job: Job, _: str) -> None:
        await self._rotations.fail(tx, UUID(job.payload["rotation_id"]))

    async def check(self, _: Job) -> None:
        """Begin the rotations that are due, and those that somebody began by a key of their own."""
        for level in self._rotations.levels:
            old = await self._is_old(level)
            if old or await self._was_given_up(level):
                await self._start(level, renew=old)
        if await self._rotations.levels[Level.KEK].total(None):
            await self._start(Level.KEK, renew=False)
        indexes = self._rotations.levels.get(Level.INDEX)
        if isinstance(indexes, IndexRotation):
            if await indexes.has_outdated() and not await self._left_some(Level.INDEX):
                await self._start(Level.INDEX, renew=False)
            await indexes.retire_needless()

    async def _start(self, level: Level, *, renew: bool) -> None:
        service = self._database.schema
        record = deed(f"{service}.keys.rotate_{level}", f"services/{service}-worker", "keys")
        try:
            await self._rotations.start(level, record, renew=renew)
        except KeyringReadOnly as error:
            log.warning("a key is old and cannot be replaced here", level=level, why=str(error))

    async def _is_old(self, level: Level) -> bool:
        since = await self._since(level)
        return since is not None and clock.now() - since > self._age

    async def _was_given_up(self, level: Level) -> bool:
        """Say whether the last rotation ended by its workers' deaths, and not by what is left."""
        last = await self._rotations.find_last(level)
        return last is not None and last.state is State.FAILED and not last.left

    async def _left_some(self, level: Level) -> bool:
        """Return whether the last rotation could not do all: another one could not either."""
        last = await self._rotations.find_last(level)
        return last is not None and last.left > 0

    async def _since(self, level: Level) -> datetime | None:
        """Return when the oldest key that is written with was made."""
        if level in KINDS:
            keys = await self._rotations.keyring.keys(KINDS[level])
            return max(key.create_time for key in keys)
        async with self._database.system(PURPOSE) as tx:
            found = [
                await WrappedKeyRepository(tx, self._database.schema, kind).oldest_current()
                for kind in self._owners.kinds
            ]
        return min((time for time in found if time), default=None)
