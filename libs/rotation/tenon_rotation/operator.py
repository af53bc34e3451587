"""What an operator does with a service's encryption keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenon_crypto.keyring import KeyInfo
from tenon_db.database import Database
from tenon_policy.records import deed
from tenon_rotation.models import Level, Rotation
from tenon_rotation.service import KINDS, RotationService


@dataclass(frozen=True, slots=True)
class LevelStatus:
    """The keyring's keys of a level, oldest first, and its last rotation. Data keys are not listed:
    there is one for each owner.
    """

    level: Level
    keys: Sequence[KeyInfo]
    rotation: Rotation | None


class RotationOperator:
    def __init__(self, database: Database, rotations: RotationService) -> None:
        self.service = database.schema
        self._database = database
        self._rotations = rotations

    @property
    def levels(self) -> Sequence[Level]:
        return tuple(self._rotations.levels)

    async def status(self) -> list[LevelStatus]:
        await self._database.check()
        return [await self._status(level) for level in self.levels]

    async def rotate(self, level: Level, operator: str) -> Rotation:
        """Begin a rotation of the whole service, or return the one that runs; KeyringReadOnly."""
        await self._database.check()
        record = deed(
            f"{self.service}.operators.rotate_{level}_keys", f"operators/{operator}", "keys"
        )
        return await self._rotations.start(level, record)

    async def progress(self, level: Level) -> Rotation | None:
        return await self._rotations.find_last(level)

    async def _status(self, level: Level) -> LevelStatus:
        keys = await self._rotations.keyring.keys(KINDS[level]) if level in KINDS else ()
        return LevelStatus(level, keys, await self._rotations.find_last(level))
