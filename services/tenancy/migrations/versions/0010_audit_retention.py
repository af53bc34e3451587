"""How long organizations keep their audit logs, and where these begin since."""

from alembic import op

revision = "0010"
down_revision = "0006"


def upgrade() -> None:
    op.execute(  # it is there where organizations' policies are
        "ALTER TABLE tenancy.organizations"
        " ADD COLUMN IF NOT EXISTS audit_retention_days integer NOT NULL DEFAULT 0"
    )
    for prefix in ("audit", "personal_audit"):
        op.execute(
            f"ALTER TABLE tenancy.{prefix}_heads ADD COLUMN begins_after bigint NOT NULL DEFAULT 0"
        )
