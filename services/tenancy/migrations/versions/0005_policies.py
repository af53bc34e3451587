"""What organizations demand of whoever works in them, whom they invite, and what they keep."""

from alembic import op

from tenon_db import migrations as m

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE tenancy.organizations ADD COLUMN policies_version bigint NOT NULL DEFAULT 1,"
        " ADD COLUMN mfa_required boolean NOT NULL DEFAULT false,"
        " ADD COLUMN session_hours integer NOT NULL DEFAULT 0,"
        " ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}',"
        " ADD COLUMN allowed_mail_domains text[] NOT NULL DEFAULT '{}',"
        " ADD COLUMN audit_retention_days integer NOT NULL DEFAULT 0"
    )
    m.readable_for("organizations", "demands")
