"""E-mails."""

from alembic import op

from tenon_db import migrations as m
from tenon_jobs.migrations import create_jobs

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE notifications.emails (user_id uuid NOT NULL, id uuid NOT NULL,"
        " kind text NOT NULL, org_id uuid, run_id uuid, state text NOT NULL DEFAULT 'queued'"
        " CHECK (state IN ('queued', 'sent', 'failed')), failure text,"
        " create_time timestamptz NOT NULL DEFAULT now(), finish_time timestamptz,"
        " PRIMARY KEY (user_id, id))"
    )
    m.user_table("emails")
    m.create_outbox()
    m.create_cursors()
    create_jobs()
