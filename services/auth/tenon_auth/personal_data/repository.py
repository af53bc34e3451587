from typing import Any
from uuid import UUID

from sqlalchemy import select

from tenon_auth.personal_data.models import Section
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class PersonalDataRepository:
    """What auth holds of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def find_all(self, section: Section, user_id: UUID) -> list[dict[str, Any]]:
        table, sealed = section.table, section.sealed
        wanted = set(section.columns)
        if sealed:  # to decrypt a value takes what it is bound to
            wanted |= {sealed.owner, sealed.row, *sealed.columns}
        rows = await self._tx.rows(
            select(*(table.c[name] for name in sorted(wanted))).where(
                table.c[section.owner] == user_id
            )
        )
        if sealed:
            opened = await self._cipher.open(self._tx, sealed, rows)
        else:
            opened = [{**row._mapping} for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _
        return [{name: row[name] for name in section.columns} for row in opened]
