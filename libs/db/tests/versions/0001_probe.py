"""A table of each kind."""

from alembic import op

from tenon_db import migrations as m

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE probe.notes (org_id uuid, id int, PRIMARY KEY (org_id, id))")
    m.tenant_table("notes")
    m.readable_for("notes", "inspection")
    op.execute("CREATE TABLE probe.diaries (user_id uuid PRIMARY KEY)")
    m.user_table("diaries")
    m.create_outbox()
    m.create_cursors()
