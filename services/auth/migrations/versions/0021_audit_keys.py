"""Key pairs of people, for where their audited calls come from."""

from alembic import op

from tenon_db import migrations as m

revision = "0021"
down_revision = "0020"

PURPOSE = "audit clients"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.audit_keys (user_id uuid PRIMARY KEY REFERENCES auth.users,"
        " id uuid NOT NULL UNIQUE, public_key bytea NOT NULL, private_key bytea NOT NULL,"
        " create_time timestamptz NOT NULL)"
    )
    m.user_table("audit_keys")
    m.readable_for("audit_keys", PURPOSE)
    m.readable_for("user_data_keys", PURPOSE)
