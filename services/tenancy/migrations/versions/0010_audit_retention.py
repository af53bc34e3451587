"""Where audit logs begin of which the oldest lines were removed."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for prefix in ("audit", "personal_audit"):
        op.execute(
            f"ALTER TABLE tenancy.{prefix}_heads ADD COLUMN begins_after bigint NOT NULL DEFAULT 0"
        )
