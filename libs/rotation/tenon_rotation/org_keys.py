from collections.abc import Sequence
from uuid import UUID

from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.repository import KeyVersion
from tenon_db.database import Database
from tenon_policy.call import Call
from tenon_rotation.models import Level, Rotation
from tenon_rotation.service import RotationService


class OrgKeys:
    """One organization's data keys in this service."""

    def __init__(self, database: Database, keys: DataKeys, rotations: RotationService) -> None:
        self._database = database
        self._keys = keys
        self._rotations = rotations

    async def get(self, org_id: UUID) -> tuple[Sequence[KeyVersion], Rotation | None]:
        """Return the keys, newest first, and their last rotation."""
        async with self._database.tenant(org_id) as tx:
            versions = await self._keys.versions(tx, OwnerKind.ORGANIZATION)
        return versions, await self._rotations.find_last(Level.DATA, org_id)

    async def rotate(self, call: Call, org_id: UUID) -> Rotation:
        """Begin to replace the key, or return the rotation that runs."""
        record = call.access(f"orgs/{org_id}/encryption", org_id=org_id)
        return await self._rotations.start(Level.DATA, record, org_id)
