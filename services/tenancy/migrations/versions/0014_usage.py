"""Whoever bills reads which organizations there are."""

from tenon_db import migrations as m

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    m.readable_for("organizations", "usage")
