"""The canonical form that a hashed address is in, and a job that replaces the former one."""

from alembic import op

from tenon_db import migrations as m
from tenon_jobs.migrations import enqueue

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE tenancy.invited_addresses"
        " ADD COLUMN canonical_version smallint NOT NULL DEFAULT 1"
    )
    op.execute(
        "CREATE INDEX invited_addresses_of_former_form ON tenancy.invited_addresses (org_id)"
        " WHERE canonical_version < 2"
    )
    m.readable_for("invited_addresses", "rotation")
    enqueue("keys.check")
