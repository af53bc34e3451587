"""Signed checkpoints of the audit logs."""

from alembic import op

from tenon_db import migrations as m

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _create_checkpoints("audit", "org_id")
    m.tenant_table("audit_checkpoints")
    _create_checkpoints("personal_audit", "user_id")
    m.user_table("personal_audit_checkpoints")
    # Whose log is gone is known by these.
    for table in ("audit_checkpoints", "personal_audit_checkpoints", "organizations"):
        m.readable_for(table, "checkpoints")


def _create_checkpoints(prefix: str, owner: str) -> None:
    op.execute(
        f"CREATE TABLE tenancy.{prefix}_checkpoints ({owner} uuid NOT NULL,"
        " position bigint NOT NULL, previous bigint NOT NULL, hash bytea NOT NULL,"
        " create_time timestamptz NOT NULL, key_id text NOT NULL, signature bytea NOT NULL,"
        f" PRIMARY KEY ({owner}, position))"
    )
    op.execute(f"ALTER TABLE tenancy.{prefix}_heads ADD COLUMN covered bigint NOT NULL DEFAULT 0")
    op.execute(
        f"CREATE INDEX {prefix}_uncovered ON tenancy.{prefix}_heads ({owner})"
        " WHERE position > covered"
    )
    m.readable_for(f"{prefix}_heads", "checkpoints")
