"""Copies of people's own data, encrypted, for some days."""

from alembic import op

from tenon_db import migrations as m

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.personal_exports (user_id uuid NOT NULL REFERENCES auth.users,"
        " id uuid NOT NULL, state text NOT NULL"
        " CHECK (state IN ('queued', 'succeeded', 'failed')), document bytea,"
        " size_bytes bigint NOT NULL DEFAULT 0, create_time timestamptz NOT NULL,"
        " finish_time timestamptz, expire_time timestamptz NOT NULL, PRIMARY KEY (user_id, id))"
    )
    op.execute(
        "CREATE UNIQUE INDEX personal_exports_queued ON auth.personal_exports (user_id)"
        " WHERE state = 'queued'"
    )
    m.user_table("personal_exports")
