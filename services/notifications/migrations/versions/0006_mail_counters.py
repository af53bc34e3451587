"""Counters of the mails that each user gets."""

from tenon_db import migrations as m

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    m.create_mail_counters()
