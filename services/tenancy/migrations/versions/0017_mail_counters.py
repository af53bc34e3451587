"""Counters of mails, by user, organization and recipient, in place of one for each address."""

from alembic import op

from tenon_db import migrations as m

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    m.create_mail_counters()
    op.execute("DROP TABLE tenancy.mailed_addresses")  # what it counted is over within an hour
