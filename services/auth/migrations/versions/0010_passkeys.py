"""Passkeys, and the challenges that were answered."""

from alembic import op

from tenon_db import migrations as m

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.passkeys (user_id uuid NOT NULL REFERENCES auth.users,"
        " id uuid NOT NULL, credential_id bytea NOT NULL, public_key bytea NOT NULL,"
        " sign_count bigint NOT NULL, name bytea NOT NULL, transports text[] NOT NULL,"
        " backed_up boolean NOT NULL, create_time timestamptz NOT NULL, use_time timestamptz,"
        " PRIMARY KEY (user_id, id), UNIQUE (user_id, credential_id))"
    )
    m.user_table("passkeys")
    op.execute(
        "CREATE TABLE auth.spent_challenges (digest bytea PRIMARY KEY,"
        " expire_time timestamptz NOT NULL)"
    )
    m.global_table("spent_challenges")
    op.execute("CREATE INDEX spent_challenges_by_end ON auth.spent_challenges (expire_time)")
