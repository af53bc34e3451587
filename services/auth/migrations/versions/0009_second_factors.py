"""Codes of authenticator apps, codes to recover by, and log-ins that wait for their second step."""

from alembic import op

from tenon_db import migrations as m

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.totp_factors (user_id uuid PRIMARY KEY REFERENCES auth.users,"
        " id uuid NOT NULL, secret bytea NOT NULL, create_time timestamptz NOT NULL,"
        " confirm_time timestamptz, last_step bigint NOT NULL, use_time timestamptz)"
    )
    m.user_table("totp_factors")
    op.execute(
        "CREATE TABLE auth.recovery_codes (user_id uuid NOT NULL REFERENCES auth.users,"
        " code_hash bytea NOT NULL, index_key text NOT NULL, use_time timestamptz,"
        " PRIMARY KEY (user_id, code_hash))"
    )
    m.user_table("recovery_codes")
    op.execute(
        "CREATE TABLE auth.second_steps (user_id uuid NOT NULL REFERENCES auth.users,"
        " id uuid NOT NULL, methods text[] NOT NULL, device_hash bytea NOT NULL,"
        " create_time timestamptz NOT NULL, expire_time timestamptz NOT NULL,"
        " use_time timestamptz, PRIMARY KEY (user_id, id))"
    )
    m.user_table("second_steps")
