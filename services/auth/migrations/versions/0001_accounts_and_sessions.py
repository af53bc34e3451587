"""Accounts, credentials and sessions."""

from alembic import op

from tenon_crypto.migrations import create_user_data_keys
from tenon_db import migrations as m
from tenon_jobs.migrations import create_jobs

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_user_data_keys(readable_for="contacts")
    op.execute(
        "CREATE TABLE auth.users (id uuid PRIMARY KEY, email bytea NOT NULL, name bytea NOT NULL,"
        " email_verified boolean NOT NULL, create_time timestamptz NOT NULL)"
    )
    m.user_table("users", column="id")
    m.readable_for("users", "contacts")
    op.execute(
        "CREATE TABLE auth.credentials (user_id uuid PRIMARY KEY REFERENCES auth.users,"
        " password_hash text NOT NULL)"
    )
    m.user_table("credentials")
    op.execute(
        "CREATE TABLE auth.logins (email_index bytea PRIMARY KEY, index_key text NOT NULL,"
        " user_id uuid NOT NULL)"
    )
    m.global_table("logins")
    op.execute(
        "CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid NOT NULL"
        " REFERENCES auth.users, family_key bytea NOT NULL, generation integer NOT NULL,"
        " rotate_time timestamptz NOT NULL, create_time timestamptz NOT NULL,"
        " expire_time timestamptz NOT NULL, end_time timestamptz)"
    )
    op.execute("CREATE INDEX sessions_of_user ON auth.sessions (user_id, id)")
    m.user_table("sessions")
    m.readable_for("sessions", "grants")
    m.create_outbox()
    m.create_cursors()
    create_jobs()
