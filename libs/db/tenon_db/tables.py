"""The tables that every service has, and the metadata that its own are declared in.

Each table says in `info["kind"]` whose rows it holds: `tenant` (of one organization), `user`
(of one person) or `global`.
"""

from functools import cache

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)

TENANT = {"kind": "tenant"}
USER = {"kind": "user"}
GLOBAL = {"kind": "global"}


@cache
def metadata(schema: str) -> MetaData:
    return MetaData(schema=schema)


@cache
def outbox_of(schema: str) -> Table:
    """Return the table of published events; `position` is null until the sequencer saw them."""
    return Table(
        "outbox",
        metadata(schema),
        Column("id", Uuid, primary_key=True),
        Column("position", BigInteger),
        Column("type", Text, nullable=False),
        Column("org_id", Uuid),
        Column("user_id", Uuid),
        Column("event_time", DateTime(timezone=True), nullable=False),
        Column("payload", LargeBinary, nullable=False),
        info=GLOBAL,
    )


@cache
def outbox_head_of(schema: str) -> Table:
    """Return the table of one row: the last position given, and the last that was deleted."""
    return Table(
        "outbox_head",
        metadata(schema),
        Column("position", BigInteger, nullable=False),
        Column("first", BigInteger, nullable=False),
        info=GLOBAL,
    )


@cache
def cursors_of(schema: str) -> Table:
    """Return the table of positions up to which the feeds of others were consumed."""
    return Table(
        "cursors",
        metadata(schema),
        Column("source", Text, primary_key=True),
        Column("position", BigInteger, nullable=False),
        info=GLOBAL,
    )


def outbox_bell(schema: str) -> str:
    """Name the doorbell of events that wait for a position."""
    return f"outbox:{schema}"


def feed_bell(schema: str) -> str:
    """Name the doorbell of events that can be pulled."""
    return f"feed:{schema}"
