"""Slugs that an organization had before, which nobody else can have."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE tenancy.slugs ALTER COLUMN org_id DROP NOT NULL,"
        " ADD COLUMN former_org_id uuid REFERENCES tenancy.organizations,"
        " ADD CHECK (num_nonnulls(org_id, former_org_id) = 1)"
    )
    op.execute("CREATE INDEX former_slugs ON tenancy.slugs (former_org_id)")
