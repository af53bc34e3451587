"""Whether a session's refresh token was presented, and how many lost replies were made good.

The tokens of existing sessions count as presented, so their predecessors are refused as before.
"""

from alembic import op

revision = "0019"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE auth.sessions ADD COLUMN token_used boolean NOT NULL DEFAULT true,"
        " ADD COLUMN recovery_count integer NOT NULL DEFAULT 0"
    )
