"""Secrets of audit streams that are being replaced, and which endpoints are slow."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE tenancy.audit_streams ADD COLUMN old_secret bytea,"
        " ADD COLUMN old_secret_expire_time timestamptz, ADD COLUMN slow_until timestamptz"
    )
