from collections.abc import Mapping
from uuid import UUID

from tenon_db.database import Database
from tenon_notifications.emails.repository import EmailRepository
from tenon_rpc.usage import Month


class UsageService:
    """What organizations use of notifications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def measure(self, org_id: UUID, month: Month) -> Mapping[str, int]:
        async with self._database.system("organization data") as tx:
            sent = await EmailRepository(tx).count_sent(org_id, month.start, month.end)
        return {"mails_sent": sent}
