"""What a session was begun on, and which devices a user has logged in on."""

from alembic import op

from tenon_db import migrations as m

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.sessions ADD COLUMN user_agent bytea, ADD COLUMN ip_address bytea")
    op.execute(
        "CREATE TABLE auth.devices (user_id uuid NOT NULL REFERENCES auth.users,"
        " token_hash bytea NOT NULL, last_seen_time timestamptz NOT NULL,"
        " PRIMARY KEY (user_id, token_hash))"
    )
    m.user_table("devices")
