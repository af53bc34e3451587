"""Accounts whose makers have yet to show that the address is theirs."""

from alembic import op

from tenon_db import migrations as m

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.pending_sign_ups (user_id uuid PRIMARY KEY REFERENCES auth.users,"
        " expire_time timestamptz NOT NULL)"
    )
    m.global_table("pending_sign_ups")
    op.execute("CREATE INDEX pending_sign_ups_by_end ON auth.pending_sign_ups (expire_time)")
    op.execute(
        "ALTER TABLE auth.links DROP CONSTRAINT links_purpose_check, ADD CONSTRAINT"
        " links_purpose_check CHECK (purpose IN"
        " ('reset_password', 'verify_email', 'confirm_sign_up')) NOT VALID"
    )
