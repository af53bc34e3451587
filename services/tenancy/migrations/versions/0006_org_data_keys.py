"""Data keys of organizations."""

from tenon_crypto.migrations import create_org_data_keys

revision = "0006"
down_revision = "0003"


def upgrade() -> None:
    create_org_data_keys()
