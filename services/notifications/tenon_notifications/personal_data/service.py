from typing import Any
from uuid import UUID

from tenon_db.database import Database
from tenon_notifications.emails.repository import EmailRepository


class PersonalDataService:
    """What notifications holds of a person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, user_id: UUID) -> dict[str, Any]:
        async with self._database.user(user_id) as tx:
            return {"emails": await EmailRepository(tx).find_all(user_id)}
