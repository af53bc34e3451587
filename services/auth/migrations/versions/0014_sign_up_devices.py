"""Where a sign-up was begun: nobody knows of those that wait already."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.pending_sign_ups ADD COLUMN device_hash bytea")
