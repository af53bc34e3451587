"""A person's transaction reads the uploads and runs that they began, for their own export."""

from tenon_db import migrations as m

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for table in ("uploads", "runs"):
        m.readable_by_user(table, column="user_id")
