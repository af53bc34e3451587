"""Erased accounts, what was destroyed of each, and where that is told."""

from alembic import op

from tenon_db import migrations as m

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.erasures (user_id uuid PRIMARY KEY, id uuid NOT NULL UNIQUE,"
        " request_time timestamptz NOT NULL, erase_time timestamptz, finish_time timestamptz)"
    )
    m.global_table("erasures")
    op.execute("CREATE INDEX erasures_open ON auth.erasures (user_id) WHERE finish_time IS NULL")
    op.execute(
        "CREATE TABLE auth.erasure_receipts (user_id uuid NOT NULL REFERENCES auth.erasures,"
        " service text NOT NULL, keys bigint NOT NULL, rows bigint NOT NULL,"
        " erase_time timestamptz NOT NULL, PRIMARY KEY (user_id, service))"
    )
    m.global_table("erasure_receipts")
    op.execute(
        "CREATE TABLE auth.erasure_notices (user_id uuid PRIMARY KEY, email bytea NOT NULL,"
        " name bytea NOT NULL)"
    )
    m.user_table("erasure_notices")
