"""The jobs table, and what the handlers of the tests leave behind."""

from alembic import op

from tenon_db.migrations import create_outbox, global_table, tenant_table
from tenon_jobs.migrations import add_accounts_to_jobs, create_jobs

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox()
    create_jobs()
    add_accounts_to_jobs()
    op.execute("CREATE TABLE work.effects (id bigserial PRIMARY KEY, what text NOT NULL)")
    op.execute("GRANT USAGE ON SEQUENCE work.effects_id_seq TO tenon_work_app")
    global_table("effects")
    op.execute("CREATE TABLE work.runs (org_id uuid PRIMARY KEY, state text NOT NULL)")
    tenant_table("runs")
