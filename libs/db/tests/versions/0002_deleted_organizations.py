"""Organizations that are no more; of the open table they are taken all the same."""

from alembic import op

from tenon_db import migrations as m

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE TABLE probe.leaves (org_id uuid, id int, PRIMARY KEY (org_id, id))")
    m.tenant_table("leaves")
    op.execute("ALTER TABLE probe.leaves ADD FOREIGN KEY (org_id, id) REFERENCES probe.notes")
    op.execute("CREATE TABLE probe.open_notes (org_id uuid, id int, PRIMARY KEY (org_id, id))")
    m.tenant_table("open_notes")
    m.create_deleted_organizations(but=["open_notes"])
