"""The migration operations that give a service its tables of data keys."""

from alembic import op

from tenon_crypto.cells import OwnerKind
from tenon_crypto.tables import name_of, owner_column
from tenon_crypto.wrapped_keys import PURPOSE
from tenon_db import migrations as m


def create_user_data_keys(*, readable_for: str = "") -> None:
    """Make the table of people's keys; `database.system(readable_for)` may read all."""
    _create(OwnerKind.USER)
    m.user_table(name_of(OwnerKind.USER))
    if readable_for:
        m.readable_for(name_of(OwnerKind.USER), readable_for)


def create_org_data_keys() -> None:
    """Make the table of organizations' keys."""
    _create(OwnerKind.ORGANIZATION)
    m.tenant_table(name_of(OwnerKind.ORGANIZATION))


def let_rotate(kind: OwnerKind) -> None:
    """Let who rotates keys read the wrapped ones of all owners."""
    m.readable_for(name_of(kind), PURPOSE)


def _create(kind: OwnerKind) -> None:
    """Make the first version, never to be edited."""
    table, owner = name_of(kind), owner_column(kind)
    op.execute(
        f"CREATE TABLE {m.schema()}.{table} ({owner} uuid NOT NULL, id uuid NOT NULL,"
        " kek text NOT NULL, wrapped bytea NOT NULL, current boolean NOT NULL DEFAULT true,"
        f" create_time timestamptz NOT NULL DEFAULT now(), PRIMARY KEY ({owner}, id))"
    )
    op.execute(
        f"CREATE UNIQUE INDEX {table}_current ON {m.schema()}.{table} ({owner}) WHERE current"
    )
    op.execute(f"CREATE INDEX {table}_by_kek ON {m.schema()}.{table} (kek)")
