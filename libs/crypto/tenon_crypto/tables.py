"""The data keys of a service's owners, wrapped: `user_data_keys` and `org_data_keys`.

An owner has one key that is current, under which is written, and may have older ones.
"""

from functools import cache

from sqlalchemy import Boolean, Column, DateTime, LargeBinary, Table, Text, Uuid, func

from tenon_crypto.cells import OwnerKind
from tenon_db.tables import TENANT, USER, metadata

KINDS = {OwnerKind.ORGANIZATION: TENANT, OwnerKind.USER: USER}


def name_of(kind: OwnerKind) -> str:
    return f"{kind}_data_keys"


def owner_column(kind: OwnerKind) -> str:
    return f"{kind}_id"


@cache
def data_keys_of(schema: str, kind: OwnerKind) -> Table:
    """Return the table that `tenon_crypto.migrations` makes."""
    return Table(
        name_of(kind),
        metadata(schema),
        Column(owner_column(kind), Uuid, primary_key=True),
        Column("id", Uuid, primary_key=True),
        Column("kek", Text, nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("current", Boolean, nullable=False, server_default="true"),
        Column("create_time", DateTime(timezone=True), server_default=func.now()),
        info=KINDS[kind],
    )
