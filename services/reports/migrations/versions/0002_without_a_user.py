"""Uploads and runs that an API key began have no user."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("uploads", "runs"):
        op.execute(f"ALTER TABLE reports.{table} ALTER COLUMN user_id DROP NOT NULL")
