"""The rotations of a service: running ones, and what became of the others."""

from functools import cache

from sqlalchemy import BigInteger, Column, DateTime, Table, Text, Uuid, func

from tenon_db.tables import GLOBAL, metadata


@cache
def rotations_of(schema: str) -> Table:
    """Return the table that `tenon_rotation.migrations` makes."""
    return Table(
        "rotations",
        metadata(schema),
        Column("id", Uuid, primary_key=True),
        Column("level", Text, nullable=False),
        Column("org_id", Uuid),
        Column("state", Text, nullable=False, server_default="running"),
        Column("total", BigInteger, nullable=False),
        Column("done", BigInteger, nullable=False, server_default="0"),
        Column("left", BigInteger, nullable=False, server_default="0"),
        Column("position", Uuid),
        Column("create_time", DateTime(timezone=True), server_default=func.now()),
        Column("finish_time", DateTime(timezone=True)),
        info=GLOBAL,
    )
