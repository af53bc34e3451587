from collections.abc import Mapping
from uuid import UUID

from tenon_db.database import Database
from tenon_reports.usage.repository import UsageRepository
from tenon_rpc.usage import Month
from tenon_storage.storage import Storage


class UsageService:
    """What organizations use of reports."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    async def measure(self, org_id: UUID, month: Month) -> Mapping[str, int]:
        async with self._database.tenant(org_id) as tx:
            counted = UsageRepository(tx)
            accepted = await counted.accepted(month.start.date())
            stored = await counted.stored()
        return {
            "events_accepted": accepted,
            "events_stored": stored.events,
            "event_bytes": stored.size_bytes,
            "file_bytes": await self._storage.folder_size(f"orgs/{org_id}"),
        }
