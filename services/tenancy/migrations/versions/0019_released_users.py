"""Users who left all organizations because their account is being deleted: they join no other."""

from alembic import op

from tenon_db import migrations as m

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tenancy.released_users (user_id uuid PRIMARY KEY,"
        " release_time timestamptz NOT NULL)"
    )
    m.global_table("released_users")
