"""Organizations, memberships and the audit log."""

from alembic import op

from tenon_db import migrations as m
from tenon_jobs.migrations import create_jobs

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_organizations()
    _create_memberships()
    _create_audit_events("audit", "org_id")
    m.tenant_table("audit_heads")
    m.tenant_table("audit_events")
    _create_audit_events("personal_audit", "user_id")
    m.user_table("personal_audit_heads")
    m.user_table("personal_audit_events")
    op.execute(f"CREATE TABLE tenancy.service_audit_events (id uuid PRIMARY KEY, {RECORD})")
    m.global_table("service_audit_events")
    m.create_outbox()
    m.create_cursors()
    create_jobs()


def _create_organizations() -> None:
    op.execute(
        "CREATE TABLE tenancy.organizations (id uuid PRIMARY KEY, name text NOT NULL,"
        " create_time timestamptz NOT NULL)"
    )
    m.tenant_table("organizations", column="id")
    op.execute(
        "CREATE TABLE tenancy.slugs (slug text PRIMARY KEY,"
        " org_id uuid NOT NULL UNIQUE REFERENCES tenancy.organizations)"
    )
    m.global_table("slugs")


def _create_memberships() -> None:
    op.execute(
        "CREATE TABLE tenancy.memberships (org_id uuid NOT NULL REFERENCES tenancy.organizations,"
        " user_id uuid NOT NULL, role smallint NOT NULL CHECK (role BETWEEN 1 AND 4),"
        " create_time timestamptz NOT NULL, PRIMARY KEY (org_id, user_id))"
    )
    op.execute(
        "CREATE INDEX memberships_by_age ON tenancy.memberships (org_id, create_time, user_id)"
    )
    op.execute(
        "CREATE INDEX memberships_of_user ON tenancy.memberships (user_id, create_time, org_id)"
    )
    op.execute("CREATE INDEX owners ON tenancy.memberships (org_id) WHERE role = 4")
    m.tenant_table("memberships")
    m.readable_by_user("memberships", column="user_id")
    m.readable_for("memberships", "grants")
    # A person sees the organizations of their own memberships, and these by the policy above.
    op.execute(
        "CREATE POLICY own ON tenancy.organizations FOR SELECT USING (id IN"
        " (SELECT org_id FROM tenancy.memberships"
        " WHERE user_id = NULLIF(current_setting('app.user_id', true), '')::uuid))"
    )


RECORD = (
    "action text NOT NULL, actor text NOT NULL, resource text NOT NULL, session_id uuid,"
    " request_id text NOT NULL, count integer NOT NULL, event_time timestamptz NOT NULL"
)


def _create_audit_events(prefix: str, owner: str) -> None:
    op.execute(
        f"CREATE TABLE tenancy.{prefix}_heads ({owner} uuid PRIMARY KEY, position bigint NOT NULL)"
    )
    op.execute(
        f"CREATE TABLE tenancy.{prefix}_events ({owner} uuid NOT NULL, position bigint NOT NULL,"
        f" id uuid NOT NULL, {RECORD}, PRIMARY KEY ({owner}, position), UNIQUE ({owner}, id))"
    )
