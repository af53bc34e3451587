"""How often a password was changed: a log-in that raced a change is told from one that did not."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.credentials ADD COLUMN changes integer NOT NULL DEFAULT 0")
