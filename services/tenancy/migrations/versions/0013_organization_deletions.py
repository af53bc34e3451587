"""Organizations end: when, who owned them, and what was destroyed where."""

from alembic import op

from tenon_db import migrations as m

revision = "0013"
down_revision = "0012"

# A slug stays taken when its organization is no more, so it refers to none.
LET_SLUGS_STAY = """
DO $$
DECLARE
  reference record;
BEGIN
  FOR reference IN
    SELECT conname, conrelid::regclass AS source FROM pg_constraint
    WHERE contype = 'f' AND confrelid = 'tenancy.organizations'::regclass
      AND obj_description(conrelid, 'pg_class') = 'kind: global'
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.source, reference.conname);
  END LOOP;
END $$
"""
# The log goes on to its last line, and with it what it is searched by.
AUDIT = ("audit_heads", "audit_events", "audit_checkpoints", "audit_actions", "audit_hours")


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tenancy.organization_deletions (org_id uuid PRIMARY KEY,"
        " id uuid NOT NULL UNIQUE, user_id uuid NOT NULL, request_time timestamptz NOT NULL,"
        " delete_time timestamptz NOT NULL, end_time timestamptz, finish_time timestamptz,"
        " owner_ids uuid[] NOT NULL DEFAULT '{}')"
    )
    op.execute(
        "CREATE INDEX organization_deletions_open ON tenancy.organization_deletions (end_time)"
        " WHERE finish_time IS NULL"
    )
    m.global_table("organization_deletions")
    op.execute(
        "CREATE TABLE tenancy.organization_erasure_receipts (org_id uuid NOT NULL,"
        " service text NOT NULL, keys bigint NOT NULL, rows bigint NOT NULL,"
        " files bigint NOT NULL, erase_time timestamptz NOT NULL, PRIMARY KEY (org_id, service))"
    )
    m.global_table("organization_erasure_receipts")
    op.execute(LET_SLUGS_STAY)
    m.create_deleted_organizations(but=AUDIT)
