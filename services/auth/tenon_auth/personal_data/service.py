from typing import Any
from uuid import UUID

from tenon_auth.personal_data.models import SECTIONS
from tenon_auth.personal_data.repository import PersonalDataRepository
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database


class PersonalDataService:
    """What auth holds of a person."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._database = database
        self._cipher = cipher

    async def export(self, user_id: UUID) -> dict[str, Any]:
        async with self._database.user(user_id) as tx:
            held = PersonalDataRepository(tx, self._cipher)
            return {section.name: await held.find_all(section, user_id) for section in SECTIONS}
