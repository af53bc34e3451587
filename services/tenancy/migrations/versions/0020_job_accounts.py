"""Jobs use the share of an account."""

from tenon_jobs.migrations import add_accounts_to_jobs

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    add_accounts_to_jobs()
