"""Counters of the links that are mailed."""

from tenon_db import migrations as m

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    m.create_mail_counters()
