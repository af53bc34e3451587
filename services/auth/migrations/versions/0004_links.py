"""Links that mails carry, each good for one use."""

from alembic import op

from tenon_db import migrations as m

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.links (user_id uuid NOT NULL REFERENCES auth.users, id uuid NOT NULL,"
        " purpose text NOT NULL CHECK (purpose IN ('reset_password', 'verify_email')),"
        " create_time timestamptz NOT NULL, expire_time timestamptz NOT NULL,"
        " use_time timestamptz, PRIMARY KEY (user_id, id))"
    )
    m.user_table("links")
