"""Organizations that are no more: no mail is about them any more."""

from alembic import op

from tenon_db import migrations as m

revision = "0005"
down_revision = "0002"


def upgrade() -> None:
    m.create_deleted_organizations()
    m.refuse_deleted_organizations("emails")
    op.execute(
        "CREATE INDEX emails_of_organization ON notifications.emails (org_id, finish_time)"
        " WHERE org_id IS NOT NULL"
    )
    m.readable_for("emails", "organization data")
