"""Jobs use the share of an account."""

from tenon_jobs.migrations import add_accounts_to_jobs

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    add_accounts_to_jobs()
