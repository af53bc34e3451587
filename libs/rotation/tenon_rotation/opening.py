"""What a service wires to have its keys rotated."""

from collections.abc import Sequence

from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.keyring import Keyring
from tenon_db.database import Database
from tenon_jobs import JobQueue
from tenon_rotation.data_keys import DataKeyRotation
from tenon_rotation.indexes import Indexes, IndexRotation
from tenon_rotation.keks import KekRotation
from tenon_rotation.models import Level
from tenon_rotation.operator import RotationOperator
from tenon_rotation.org_keys import OrgKeys
from tenon_rotation.owners import Owners
from tenon_rotation.service import LevelRotation, RotationService
from tenon_rotation.tasks import RotationTasks


class Rotations:
    """The rotations of one service, whose tables of data keys are of these kinds."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        keyring: Keyring,
        keys: DataKeys,
        kinds: Sequence[OwnerKind],
        indexes: Indexes | None = None,
    ) -> None:
        self._database = database
        self._owners = Owners(database, kinds)
        levels: dict[Level, LevelRotation] = {
            Level.DATA: DataKeyRotation(database, keys, self._owners),
            Level.KEK: KekRotation(database, keyring, self._owners),
        }
        if indexes:
            levels[Level.INDEX] = IndexRotation(database, keyring, self._owners, indexes)
        self.service = RotationService(database, queue, keyring, levels)
        self.org_keys = OrgKeys(database, keys, self.service)
        self.operator = RotationOperator(database, self.service)

    def tasks(self, days: float, *, lease_seconds: float = 30.0) -> RotationTasks:
        """Return the jobs; keys older than so many days are replaced."""
        return RotationTasks(
            self._database, self.service, self._owners, days, lease_seconds=lease_seconds
        )
