"""The migration operation that gives a service its table of rotations."""

from alembic import op

from tenon_db import migrations as m


def create_rotations() -> None:
    """Make the first version, never to be edited."""
    op.execute(
        f"CREATE TABLE {m.schema()}.rotations (id uuid PRIMARY KEY, level text NOT NULL,"
        " org_id uuid, state text NOT NULL DEFAULT 'running', total bigint NOT NULL,"
        ' done bigint NOT NULL DEFAULT 0, "left" bigint NOT NULL DEFAULT 0, position uuid,'
        " create_time timestamptz NOT NULL DEFAULT now(), finish_time timestamptz)"
    )
    op.execute(
        f"CREATE UNIQUE INDEX rotations_running ON {m.schema()}.rotations (level, org_id)"
        " NULLS NOT DISTINCT WHERE state = 'running'"
    )
    m.global_table("rotations")
