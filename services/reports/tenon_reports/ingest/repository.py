"""Taking events: COPY into a temporary table, each id once, the new ones into `events`.

COPY is refused on tables with row level security, hence the temporary table; what goes from
there into the tenant's tables is checked like anything else.
"""

import asyncio
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    DateTime,
    Double,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    Uuid,
    delete,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import array, distinct_on, insert
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from tenon_core import clock
from tenon_db.transaction import Transaction
from tenon_reports.datasets.models import Dataset
from tenon_reports.ingest.batch import Batch
from tenon_reports.ingest.cells import NULL
from tenon_reports.ingest.models import Taken, event_keys, events, ingested_events

PURGE_ROWS = 10_000


class EventRepository:
    """The events of one dataset, in its organization's transaction."""

    def __init__(self, tx: Transaction, dataset: Dataset) -> None:
        self._tx = tx
        self._dataset = dataset
        self._staged = _staged(len(dataset.dimensions), len(dataset.measures))
        self._size = 0
        self._bytes = 0

    async def stage(self, batch: Batch) -> int:
        """Hold a batch of checked events; return how many are the first of their id."""
        self._size = len(batch.places)
        await self._tx.execute(CreateTable(self._staged))
        await self._tx.execute(CreateTable(CLAIMED))
        await self._copy(batch)
        return await self._claim()

    async def store(self, generation: int, claimed: int) -> None:
        """Keep the staged events that are the first of their id."""
        staged = self._staged.c
        new = select(
            literal(self._tx.org_id, Uuid),
            literal(self._dataset.id, Uuid),
            staged.time,
            staged.id,
            literal(generation, BigInteger),
            _values(self._staged, "dimension", Text(collation="C")),
            _values(self._staged, "measure", Double()),
        )
        if claimed < self._size:
            new = new.where(staged.place.in_(self._first_places()))
        await self._tx.execute(insert(events).from_select(list(events.c), new))

    async def count(self, claimed: int) -> None:
        """Count the claimed events of the batch; the dataset's row is locked by its generation."""
        statement = insert(ingested_events).values(
            org_id=self._tx.org_id,
            dataset_id=self._dataset.id,
            month=clock.now().date().replace(day=1),
            events=claimed,
            bytes=self._bytes * claimed // self._size,
        )
        kept, new = ingested_events.c, statement.excluded
        await self._tx.execute(
            statement.on_conflict_do_update(
                index_elements=["org_id", "dataset_id", "month"],
                set_={"events": kept.events + new.events, "bytes": kept.bytes + new.bytes},
            )
        )

    async def taken(self, claimed: int) -> Taken:
        """Say what became of the staged events."""
        if claimed == self._size:
            return Taken(claimed)
        staged = self._staged.c
        # A look-up for each event: as a join, the planner might read all keys of everybody.
        kept = select(event_keys.c.payload).where(
            event_keys.c.org_id == self._tx.org_id,
            event_keys.c.dataset_id == self._dataset.id,
            event_keys.c.key == staged.key,
        )
        rows = await self._tx.rows(
            select(staged.place, (kept.scalar_subquery() == staged.payload).label("same"))
            .where(staged.place.not_in(self._first_places()))
            .order_by(staged.place)
        )
        return Taken(
            accepted=claimed,
            duplicates=tuple(row.place for row in rows if row.same),
            conflicts=tuple(row.place for row in rows if not row.same),
        )

    async def _copy(self, batch: Batch) -> None:
        columns = ", ".join(["place", "key", *map(self._column_of, batch.columns)])
        rows = await asyncio.to_thread(batch.encoded)
        self._bytes = len(rows)
        connection = self._tx.driver
        async with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {self._staged.name} ({columns}) FROM STDIN (NULL '{NULL}')") as copy,
        ):
            await copy.write(rows)

    def _column_of(self, name: str) -> str:
        if name in self._dataset.dimensions:
            return f"d{self._dataset.dimensions.index(name)}"
        if name in self._dataset.measures:
            return f"m{self._dataset.measures.index(name)}"
        return name

    async def _claim(self) -> int:
        """Insert the keys in their own order, so that two batches never wait in a circle."""
        staged = self._staged.c
        keys = select(
            literal(self._tx.org_id, Uuid),
            literal(self._dataset.id, Uuid),
            staged.key,
            staged.payload,
        ).order_by(staged.key, staged.place)
        won = (
            insert(event_keys)
            .from_select(list(event_keys.c), keys)
            .on_conflict_do_nothing()
            .returning(event_keys.c.key)
            .cte("won")
        )
        claim = insert(CLAIMED).from_select(["key"], select(won.c.key))
        result = await self._tx.execute(claim.execution_options(preserve_rowcount=True))
        return result.rowcount

    def _first_places(self) -> Select[tuple[int]]:
        """Select where the first event of each claimed key stands."""
        staged = self._staged.c
        return (
            select(staged.place)
            .join(CLAIMED, CLAIMED.c.key == staged.key)
            .ext(distinct_on(staged.key))
            .order_by(staged.key, staged.place)
        )


class PurgeRepository:
    """Removes what a deleted dataset holds, in bounded bites."""

    def __init__(self, tx: Transaction, dataset_id: UUID) -> None:
        self._tx = tx
        self._dataset_id = dataset_id

    async def bite(self) -> int:
        """Remove some of the oldest events, or some keys; return how many."""
        return await self._bite(events, "time") or await self._bite(event_keys, "key")

    async def _bite(self, table: Table, name: str) -> int:
        column = table.c[name]
        own = (table.c.org_id == self._tx.org_id, table.c.dataset_id == self._dataset_id)
        last = select(column).where(*own).order_by(column).offset(PURGE_ROWS).limit(1)
        bound = await self._tx.scalar(last)
        removal = delete(table).where(*own)
        if bound is not None:
            removal = removal.where(column <= bound)
        return (await self._tx.execute(removal)).rowcount


async def make_partition(tx: Transaction, year: int) -> None:
    """Make sure that events of the year have a partition, in a system transaction."""
    await tx.execute(text("SELECT reports.make_events_partition(:year)"), {"year": year})


CLAIMED = Table(
    "claimed_keys",
    MetaData(),
    Column("key", Uuid),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@cache
def _staged(dimensions: int, measures: int) -> Table:
    """Return the temporary table for events of so many columns: d0, d1, … and m0, m1, …"""
    texts = [f"d{place}" for place in range(dimensions)]
    numbers = [f"m{place}" for place in range(measures)]
    return Table(
        "staged_events",
        MetaData(),
        Column("place", Integer),
        Column("key", Uuid),
        Column("time", DateTime(timezone=True)),
        Column("id", Text(collation="C")),
        *(Column(name, Text(collation="C"), info={"kind": "dimension"}) for name in texts),
        *(Column(name, Double, info={"kind": "measure"}) for name in numbers),
        Column("payload", BigInteger, Computed(_payload(texts, numbers), persisted=True)),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _payload(texts: list[str], numbers: list[str]) -> str:
    """Hash all but the id: the hashes of the values by place, combined.

    Nulls count for nothing, so an event stays the same when columns are appended. PostgreSQL
    keeps these functions as they are, for the sake of hash partitions.
    """
    parts = ["timestamptz_hash_extended(time, 0)"]
    parts += [f"coalesce(hashtextextended({d}, {n}), 0)" for n, d in enumerate(texts, 1)]
    parts += [f"coalesce(hashfloat8extended({m}, {n}), 0)" for n, m in enumerate(numbers, 1001)]
    return " # ".join(parts)


def _values(staged: Table, kind: str, of_type: TypeEngine[Any]) -> array[Any]:
    """Put the columns of one kind into an array."""
    return array([column for column in staged.c if column.info.get("kind") == kind], type_=of_type)
