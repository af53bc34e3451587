"""When and how the holder of a session last proved who they are: not lately, where nobody says."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE auth.sessions ADD COLUMN auth_time timestamptz NOT NULL DEFAULT 'epoch',"
        " ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}'"
    )
