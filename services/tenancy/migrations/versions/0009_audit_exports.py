"""Exports of the audit logs."""

from alembic import op

from tenon_db import migrations as m

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tenancy.audit_exports (org_id uuid NOT NULL, id uuid NOT NULL,"
        " state text NOT NULL, format text NOT NULL, start_time timestamptz, end_time timestamptz,"
        " first_position bigint, last_position bigint, lines bigint NOT NULL DEFAULT 0,"
        " size_bytes bigint NOT NULL DEFAULT 0, failure text NOT NULL DEFAULT '',"
        " create_time timestamptz NOT NULL, finish_time timestamptz,"
        " expire_time timestamptz NOT NULL, PRIMARY KEY (org_id, id))"
    )
    m.tenant_table("audit_exports")
