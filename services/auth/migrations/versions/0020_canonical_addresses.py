"""The canonical form that a hashed address is in, and a job that replaces the former one."""

from alembic import op

from tenon_jobs.migrations import enqueue

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.logins ADD COLUMN canonical_version smallint NOT NULL DEFAULT 1")
    op.execute(
        "CREATE INDEX logins_of_former_form ON auth.logins (user_id) WHERE canonical_version < 2"
    )
    enqueue("keys.check")
