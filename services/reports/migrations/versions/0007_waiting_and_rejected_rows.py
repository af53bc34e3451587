"""Why runs and uploads wait, and how many rejected rows of an upload are listed."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE reports.runs ADD COLUMN waiting_reason text NOT NULL DEFAULT ''")
    op.execute(
        "ALTER TABLE reports.uploads ADD COLUMN waiting_reason text NOT NULL DEFAULT '',"
        " ADD COLUMN listed_rows bigint NOT NULL DEFAULT 0,"
        " ADD COLUMN listed_bytes bigint NOT NULL DEFAULT 0"
    )
    # The tables' owner is held to one organization, too, where row level security is forced.
    op.execute("ALTER TABLE reports.uploads NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE reports.uploads SET listed_rows = least(rejected, 100000)")
    op.execute("ALTER TABLE reports.uploads FORCE ROW LEVEL SECURITY")
