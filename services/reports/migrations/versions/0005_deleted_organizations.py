"""Organizations that are no more: nothing is taken for them.

An event and its key are taken in the transaction that gives their dataset its next generation, so
the dataset holds off whoever comes too late.
"""

from tenon_db import migrations as m

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    m.create_deleted_organizations(but=("events", "event_keys"))
