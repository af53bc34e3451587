"""Tables with sealed columns, of people and of organizations."""

from alembic import op

from tenon_crypto.migrations import create_org_data_keys, create_user_data_keys
from tenon_db import migrations as m

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_user_data_keys(readable_for="contacts")
    create_org_data_keys()
    op.execute("CREATE TABLE probe.people (id uuid PRIMARY KEY, email bytea, name bytea)")
    m.user_table("people", column="id")
    m.readable_for("people", "contacts")
    op.execute("CREATE TABLE probe.diaries (user_id uuid PRIMARY KEY, email bytea, secret bytea)")
    m.user_table("diaries")
    op.execute(
        "CREATE TABLE probe.customers (org_id uuid, id uuid, email bytea, name bytea,"
        " PRIMARY KEY (org_id, id))"
    )
    m.tenant_table("customers")
    m.create_outbox()
    m.create_cursors()
