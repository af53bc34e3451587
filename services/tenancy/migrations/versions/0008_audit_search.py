"""What the audit log is searched by: indexes, and what a trigger notes of each line.

A trigger, so that lines which an older tenancy writes while it is replaced are found, too. It acts
with the rights of whoever adds the lines.
"""

from alembic import op

from tenon_db import migrations as m

revision = "0008"
down_revision = "0007"

NOTE = """
CREATE FUNCTION tenancy.note_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tenancy.audit_actions SELECT DISTINCT org_id, action FROM added
  ON CONFLICT DO NOTHING;
  INSERT INTO tenancy.audit_hours
  SELECT org_id, date_trunc('hour', event_time, 'UTC'), min(position), max(position)
  FROM added GROUP BY 1, 2
  ON CONFLICT (org_id, hour) DO UPDATE SET
    first_position = least(audit_hours.first_position, EXCLUDED.first_position),
    last_position = greatest(audit_hours.last_position, EXCLUDED.last_position);
  RETURN NULL;
END $$
"""


def upgrade() -> None:
    # A resource is made of what callers send: it may be longer than an index takes.
    indexed = {"actor": "", "action": "", "resource": " WHERE length(resource) BETWEEN 1 AND 500"}
    for column, condition in indexed.items():
        op.execute(
            f"CREATE INDEX audit_events_by_{column} ON tenancy.audit_events"
            f" (org_id, {column}, position){condition}"
        )
    op.execute(
        "CREATE TABLE tenancy.audit_actions (org_id uuid NOT NULL, action text NOT NULL,"
        " PRIMARY KEY (org_id, action))"
    )
    op.execute(
        "CREATE TABLE tenancy.audit_hours (org_id uuid NOT NULL, hour timestamptz NOT NULL,"
        " first_position bigint NOT NULL, last_position bigint NOT NULL,"
        " PRIMARY KEY (org_id, hour))"
    )
    _note_the_lines_that_are_there()
    m.tenant_table("audit_actions")
    m.tenant_table("audit_hours")
    op.execute(NOTE)
    op.execute(
        "CREATE TRIGGER note AFTER INSERT ON tenancy.audit_events REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION tenancy.note_audit_events()"
    )


def _note_the_lines_that_are_there() -> None:
    """Note them as their tables' owner, who is held to one organization otherwise."""
    op.execute("ALTER TABLE tenancy.audit_events NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO tenancy.audit_actions SELECT DISTINCT org_id, action FROM tenancy.audit_events"
    )
    op.execute(
        "INSERT INTO tenancy.audit_hours SELECT org_id, date_trunc('hour', event_time, 'UTC'),"
        " min(position), max(position) FROM tenancy.audit_events GROUP BY 1, 2"
    )
    op.execute("ALTER TABLE tenancy.audit_events FORCE ROW LEVEL SECURITY")
