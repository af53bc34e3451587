"""Where audited calls came from, and what updates changed."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for table in ("audit_events", "personal_audit_events", "service_audit_events"):
        op.execute(
            f"ALTER TABLE tenancy.{table} ADD COLUMN client bytea,"
            " ADD COLUMN client_digest text, ADD COLUMN changes text"
        )
