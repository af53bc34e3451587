"""Organizations that are no more, in each service that holds something of theirs.

The migrations' trigger (`tenon_db.migrations`) lets nobody write a row of theirs any more. So what
is erased after the row of this table was committed stays erased, whoever was on their way to write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Table,
    Uuid,
    column,
    delete,
    func,
    literal,
    select,
    table,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tenon_db.tables import GLOBAL, metadata
from tenon_db.transaction import Transaction

TenantsTable: TypeAlias = Table
"""A table as services hand it on, which have no SQL of their own."""

BITE_ROWS = 5_000
KEYS = "org_data_keys"
"""The table whose rows are keys: what they encrypted is lost with them."""

# Who would write for an organization holds this lock together with all others who would.
LOCK = "hashtextextended('deleted_organizations/' || {org_id}, 0)"
REFUSED = "TN404"
"""The SQLSTATE with which the trigger refuses a row; `tenon_db.database` makes NotFound of it."""


TENANTS_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND NOT relispartition
    AND obj_description(oid, 'pg_class') = 'kind: tenant'
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'org_id')
"""


class UnknownTable(Exception):
    """The schema has a tenants' table that this process does not know."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was destroyed so far: data keys, rows and stored files."""

    keys: int = 0
    rows: int = 0
    files: int = 0


@cache
def deleted_organizations_of(schema: str) -> Table:
    """Return the table of organizations that are no more, with what was destroyed of them."""
    return Table(
        "deleted_organizations",
        metadata(schema),
        Column("org_id", Uuid, primary_key=True),
        Column("keys", BigInteger, nullable=False, server_default="0"),
        Column("rows", BigInteger, nullable=False, server_default="0"),
        Column("files", BigInteger, nullable=False, server_default="0"),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
        info=GLOBAL,
    )


class DeletedOrganizations:
    """The organizations that a service takes nothing for any more."""

    def __init__(self, tx: Transaction, schema: str) -> None:
        self._tx = tx
        self._table = deleted_organizations_of(schema)

    async def close(self, org_id: UUID) -> None:
        """Let nobody write for an organization any more; waits for whoever is about to."""
        lock = text(f"SELECT pg_advisory_xact_lock({LOCK.format(org_id='CAST(:org_id AS text)')})")
        await self._tx.execute(lock, {"org_id": str(org_id)})
        await self._tx.execute(insert(self._table).values(org_id=org_id).on_conflict_do_nothing())

    async def has(self, org_id: UUID) -> bool:
        there = select(self._table.c.org_id).where(self._table.c.org_id == org_id)
        return bool(await self._tx.scalar(select(there.exists())))

    async def add(self, org_id: UUID, erased: Erased) -> None:
        """Count what this transaction destroys."""
        counts = self._table.c
        await self._tx.execute(
            update(self._table)
            .where(counts.org_id == org_id)
            .values(
                keys=counts["keys"] + erased.keys,
                rows=counts["rows"] + erased.rows,
                files=counts["files"] + erased.files,
            )
        )

    async def erased(self, org_id: UUID) -> Erased:
        """Return all that was destroyed of an organization."""
        counts = self._table.c
        row = await self._tx.row(
            select(counts["keys"], counts["rows"], counts["files"]).where(counts.org_id == org_id)
        )
        return Erased(*row) if row else Erased()


class OrganizationRows:
    """All rows of the transaction's organization, whatever slice their tables are of."""

    def __init__(self, tx: Transaction, schema: str, kept: frozenset[str] = frozenset()) -> None:
        """`kept` are tables whose rows stay, or are destroyed by somebody else."""
        self._tx = tx
        self._schema = schema
        self._kept = kept

    async def tables(self) -> Sequence[Table]:
        """Return the tables, first those that refer to others; UnknownTable, if the schema has one
        that this process does not know, as where it is older: nobody must say that all is gone.
        """
        names = await self._there() - self._kept
        known = {one.name: one for one in metadata(self._schema).tables.values()}
        if unknown := names - known.keys():
            raise UnknownTable(f"no process of this version can erase {', '.join(sorted(unknown))}")
        order = TopologicalSorter(dict.fromkeys(names, ()))
        for child, parent in await self._references():
            order.add(parent, child)
        return [known[name] for name in order.static_order() if name in names]

    async def bite(self, one: Table) -> Erased:
        """Destroy some rows of a table; none if no more are there."""
        key = list(one.primary_key.columns)
        some = select(*key).where(one.c.org_id == self._tx.org_id).limit(BITE_ROWS)
        gone = await self._tx.execute(delete(one).where(tuple_(*key).in_(some)))
        if one.name == KEYS:
            return Erased(keys=gone.rowcount)
        return Erased(rows=gone.rowcount)

    async def _there(self) -> set[str]:
        """Return which tenants' tables the schema has."""
        rows = await self._tx.rows(text(TENANTS_TABLES).bindparams(schema=self._schema))
        return {row.relname for row in rows}

    async def _references(self) -> Sequence[tuple[str, str]]:
        """Return which tables of the schema refer to which others."""
        keys = table("pg_constraint", column("conrelid"), column("confrelid"), column("contype"))
        classes = table("pg_class", column("oid"), column("relname"), column("relnamespace"))
        child, parent = classes.alias("child"), classes.alias("parent")
        rows = await self._tx.rows(
            select(child.c.relname.label("child"), parent.c.relname.label("parent"))
            .select_from(keys)
            .join(child, child.c.oid == keys.c.conrelid)
            .join(parent, parent.c.oid == keys.c.confrelid)
            .where(keys.c.contype == literal("f"), keys.c.conrelid != keys.c.confrelid)
            .where(child.c.relnamespace == func.to_regnamespace(self._schema))
        )
        return [(row.child, row.parent) for row in rows]
