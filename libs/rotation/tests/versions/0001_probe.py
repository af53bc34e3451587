"""Tables with sealed columns, of people and of organizations, and what rotates their keys."""

from alembic import op

from tenon_crypto.cells import OwnerKind
from tenon_crypto.migrations import create_org_data_keys, create_user_data_keys, let_rotate
from tenon_db import migrations as m
from tenon_jobs.migrations import add_accounts_to_jobs, create_jobs
from tenon_rotation.migrations import create_rotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_user_data_keys()
    create_org_data_keys()
    for kind in OwnerKind:
        let_rotate(kind)
    op.execute("CREATE TABLE probe.people (id uuid PRIMARY KEY, email bytea, name bytea)")
    m.user_table("people", column="id")
    op.execute("CREATE TABLE probe.diaries (user_id uuid PRIMARY KEY, email bytea, secret bytea)")
    m.user_table("diaries")
    op.execute(
        "CREATE TABLE probe.customers (org_id uuid, id uuid, email bytea, name bytea,"
        " PRIMARY KEY (org_id, id))"
    )
    m.tenant_table("customers")
    op.execute(
        "CREATE TABLE probe.logins (email_index bytea PRIMARY KEY, index_key text NOT NULL,"
        " user_id uuid NOT NULL)"
    )
    m.global_table("logins")
    m.create_outbox()
    m.create_cursors()
    create_jobs()
    add_accounts_to_jobs()
    create_rotations()
