from collections.abc import Sequence

from tenon_db.database import Database
from tenon_policy.call import Call
from tenon_tenancy.clients import DataKeyHolders, HeldKeys


class EncryptionService:
    """An organization's data keys, wherever they are."""

    def __init__(self, database: Database, holders: DataKeyHolders) -> None:
        self._database = database
        self._holders = holders

    async def get(self, call: Call) -> Sequence[HeldKeys]:
        return await self._holders.list(call.org)

    async def rotate(self, call: Call) -> Sequence[HeldKeys]:
        """Have every service begin; who asked is on record before. Where one does not answer, the
        others have begun, and asking again is enough.
        """
        async with self._database.tenant(call.org) as tx:
            await tx.publish(call.access(f"orgs/{call.org}/encryption"))
        await self._holders.rotate(call.org)
        return await self._holders.list(call.org)
