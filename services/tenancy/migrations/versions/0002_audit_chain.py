"""The hashes of the audit logs' lines; those without get theirs before the next is added."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for prefix in ("audit", "personal_audit"):
        op.execute(
            f"ALTER TABLE tenancy.{prefix}_heads ADD COLUMN hashed bigint NOT NULL DEFAULT 0,"
            " ADD COLUMN hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')"
        )
        op.execute(f"ALTER TABLE tenancy.{prefix}_events ADD COLUMN hash bytea")
