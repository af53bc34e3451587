from typing import Any
from uuid import UUID

from tenon_db.database import Database
from tenon_reports.personal_data.repository import PersonalDataRepository


class PersonalDataService:
    """What reports holds of a person: ids of what they have begun in their organizations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, user_id: UUID) -> dict[str, Any]:
        async with self._database.user(user_id) as tx:
            begun = PersonalDataRepository(tx)
            return {
                "runs": await begun.runs_of(user_id),
                "uploads": await begun.uploads_of(user_id),
            }
