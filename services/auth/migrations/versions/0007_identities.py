"""Accounts at providers, by which people log in."""

from alembic import op

from tenon_db import migrations as m

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.identities (id uuid NOT NULL, user_id uuid NOT NULL"
        " REFERENCES auth.users, issuer text NOT NULL, subject bytea NOT NULL, email bytea,"
        " create_time timestamptz NOT NULL, PRIMARY KEY (user_id, id), UNIQUE (user_id, issuer))"
    )
    m.user_table("identities")
    op.execute(
        "CREATE TABLE auth.identity_logins (subject_index bytea PRIMARY KEY,"
        " index_key text NOT NULL, user_id uuid NOT NULL, identity_id uuid NOT NULL)"
    )
    m.global_table("identity_logins")
    op.execute("CREATE INDEX identity_logins_of_user ON auth.identity_logins (user_id)")
    op.execute(
        "CREATE TABLE auth.spent_flows (id uuid PRIMARY KEY, expire_time timestamptz NOT NULL)"
    )
    m.global_table("spent_flows")
    op.execute("CREATE INDEX spent_flows_by_end ON auth.spent_flows (expire_time)")
