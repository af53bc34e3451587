"""What a mail is about need not be a run.

`run_id` stays until no replica that writes it is left; a later revision drops it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE notifications.emails ADD COLUMN subject_id uuid")
