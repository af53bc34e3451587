"""Streams of the audit logs to organizations' own systems."""

from alembic import op

from tenon_db import migrations as m

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tenancy.audit_streams (org_id uuid NOT NULL, id uuid NOT NULL,"
        " kind text NOT NULL CHECK (kind IN ('webhook', 'bucket')), description text NOT NULL,"
        " enabled boolean NOT NULL, target bytea NOT NULL, secret bytea NOT NULL,"
        " creator_id uuid NOT NULL, create_time timestamptz NOT NULL,"
        " position bigint NOT NULL DEFAULT 0, failing_since timestamptz,"
        " last_error text NOT NULL DEFAULT '', due_time timestamptz NOT NULL DEFAULT now(),"
        " lease_until timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (org_id, id))"
    )
    op.execute("CREATE INDEX audit_streams_on ON tenancy.audit_streams (org_id, id) WHERE enabled")
    m.tenant_table("audit_streams")
    m.readable_for("audit_streams", "audit streams")
    m.readable_for("audit_heads", "audit streams")
    op.execute(
        "CREATE TABLE tenancy.audit_deliveries (org_id uuid NOT NULL, stream_id uuid NOT NULL,"
        " id uuid NOT NULL, first bigint NOT NULL, last bigint NOT NULL, state text NOT NULL"
        " CHECK (state IN ('pending', 'delivered', 'expired')), attempts integer NOT NULL,"
        " last_error text NOT NULL, create_time timestamptz NOT NULL, finish_time timestamptz,"
        " PRIMARY KEY (org_id, stream_id, id), FOREIGN KEY (org_id, stream_id)"
        " REFERENCES tenancy.audit_streams ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE UNIQUE INDEX audit_deliveries_pending"
        " ON tenancy.audit_deliveries (org_id, stream_id) WHERE state = 'pending'"
    )
    m.tenant_table("audit_deliveries")
