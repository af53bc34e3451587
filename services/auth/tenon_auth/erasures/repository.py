import dataclasses
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.erasures.models import (
    SEALED_NOTICES,
    Erasure,
    Notice,
    Receipt,
    erasure_notices,
    erasure_receipts,
    erasures,
)
from tenon_auth.passwords.models import credentials
from tenon_auth.users.models import METADATA, users
from tenon_crypto.cells import OwnerKind
from tenon_crypto.fields import FieldCipher
from tenon_crypto.tables import data_keys_of
from tenon_db.tables import TENANT
from tenon_db.transaction import Transaction

KEPT = frozenset({"outbox", "jobs", erasures.name, erasure_receipts.name})
"""What names people by ids that mean nothing any more."""


class ErasureRepository:
    """Erasures and their receipts, whoever's transaction it is."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, erasure: Erasure) -> None:
        """Add one, unless the account has one."""
        row = dataclasses.asdict(erasure)
        await self._tx.execute(insert(erasures).values(row).on_conflict_do_nothing())

    async def find(self, user_id: UUID) -> Erasure | None:
        row = await self._tx.row(select(erasures).where(erasures.c.user_id == user_id))
        return Erasure(**row._mapping) if row else None  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def find_by_id(self, erasure_id: UUID) -> Erasure | None:
        row = await self._tx.row(select(erasures).where(erasures.c.id == erasure_id))
        return Erasure(**row._mapping) if row else None  # noqa: SLF001 # as above

    async def lock(self, user_id: UUID) -> None:
        """Hold off whoever would change the account's erasure until the commit."""
        await self._tx.execute(
            select(erasures.c.id).where(erasures.c.user_id == user_id).with_for_update()
        )

    async def withdraw(self, user_id: UUID) -> bool:
        """Forget one that has not begun, whatever others said of it; say whether there was one."""
        await self.lock(user_id)
        waiting = select(erasures.c.user_id).where(
            erasures.c.user_id == user_id, erasures.c.erase_time.is_(None)
        )
        await self._tx.execute(
            delete(erasure_receipts).where(erasure_receipts.c.user_id.in_(waiting))
        )
        withdrawn = await self._tx.execute(delete(erasures).where(erasures.c.user_id.in_(waiting)))
        return withdrawn.rowcount == 1

    async def begin(self, user_id: UUID, at: datetime) -> bool:
        """Say whether it is to be done now; of many at once, one is told so."""
        begun = await self._tx.execute(
            update(erasures)
            .where(erasures.c.user_id == user_id, erasures.c.erase_time.is_(None))
            .values(erase_time=at)
        )
        return begun.rowcount == 1

    async def finish(self, user_id: UUID, at: datetime) -> bool:
        finished = await self._tx.execute(
            update(erasures)
            .where(erasures.c.user_id == user_id, erasures.c.finish_time.is_(None))
            .values(finish_time=at)
        )
        return finished.rowcount == 1

    async def find_open(self, erased_before: datetime, limit: int) -> list[UUID]:
        """Return whose erasures not all services have finished."""
        rows = await self._tx.rows(
            select(erasures.c.user_id)
            .where(erasures.c.finish_time.is_(None), erasures.c.erase_time < erased_before)
            .order_by(erasures.c.user_id)
            .limit(limit)
        )
        return [row.user_id for row in rows]

    async def add_receipt(self, receipt: Receipt) -> None:
        """Add it to what the service has destroyed before, if it has."""
        statement = insert(erasure_receipts).values(dataclasses.asdict(receipt))
        kept, new = erasure_receipts.c, statement.excluded
        await self._tx.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "service"],
                set_={
                    "keys": kept["keys"] + new["keys"],
                    "rows": kept["rows"] + new["rows"],
                    "erase_time": new["erase_time"],
                },
            )
        )

    async def find_receipts(self, user_id: UUID) -> list[Receipt]:
        rows = await self._tx.rows(
            select(erasure_receipts)
            .where(erasure_receipts.c.user_id == user_id)
            .order_by(erasure_receipts.c.erase_time)
        )
        return [Receipt(**row._mapping) for row in rows]  # noqa: SLF001 # as above


class NoticeRepository:
    """The notice of the erasure whose transaction it is."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, erasure_id: UUID, notice: Notice) -> None:
        row = {"user_id": erasure_id, **dataclasses.asdict(notice)}
        sealed = await self._cipher.seal(self._tx, SEALED_NOTICES, row)
        await self._tx.execute(insert(erasure_notices).values(sealed).on_conflict_do_nothing())

    async def find(self, erasure_id: UUID) -> Notice | None:
        rows = await self._tx.rows(
            select(erasure_notices).where(erasure_notices.c.user_id == erasure_id)
        )
        opened = await self._cipher.open(self._tx, SEALED_NOTICES, rows)
        return Notice(opened[0]["email"], opened[0]["name"]) if opened else None

    async def remove(self, erasure_id: UUID) -> None:
        await self._tx.execute(
            delete(erasure_notices).where(erasure_notices.c.user_id == erasure_id)
        )


class PersonRepository:
    """All that auth holds of a person, in their transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, user_id: UUID) -> None:
        """Hold off whoever logs in or changes the account; in the order in which all lock."""
        for column in (users.c.id, credentials.c.user_id):
            await self._tx.execute(select(column).where(column == user_id).with_for_update())

    async def count_keys(self, user_id: UUID) -> int:
        keys = data_keys_of("auth", OwnerKind.USER)
        counted: int = await self._tx.scalar(select(func.count()).where(keys.c.user_id == user_id))
        return counted

    async def remove(self, user_id: UUID) -> int:
        """Remove the person from every table that names people, whatever slice it is of; return
        how many rows there were.
        """
        counts = [await self._remove_from(table, user_id) for table in _tables_naming_people()]
        gone = await self._tx.execute(delete(users).where(users.c.id == user_id))
        return sum(counts) + gone.rowcount

    async def _remove_from(self, table: Table, user_id: UUID) -> int:
        removed = await self._tx.execute(delete(table).where(table.c.user_id == user_id))
        return removed.rowcount


def _tables_naming_people() -> Sequence[Table]:
    """Return the tables of people and those that find them, first those that refer to others."""
    return [
        table
        for table in reversed(METADATA.sorted_tables)
        if "user_id" in table.c and table.info != TENANT and table.name not in KEPT
    ]
