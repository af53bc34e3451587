"""Organizations that are no more: nothing is taken for them. And how many events were taken.

Events, their keys and their count are written in the transaction that gives their dataset its next
generation, so the dataset holds off whoever comes too late.
"""

from alembic import op

from tenon_db import migrations as m

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE reports.ingested_events (org_id uuid, dataset_id uuid, month date,"
        " events bigint NOT NULL, bytes bigint NOT NULL, PRIMARY KEY (org_id, dataset_id, month))"
    )
    m.tenant_table("ingested_events")
    m.create_deleted_organizations(but=("events", "event_keys", "ingested_events"))
