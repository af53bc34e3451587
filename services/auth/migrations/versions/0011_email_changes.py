"""Changes of addresses, and old addresses that stay reserved while they can be undone.

What links are for is said in the code alone from here on (`links.models.Purpose`).
"""

from alembic import op

from tenon_db import migrations as m

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.email_changes (user_id uuid NOT NULL REFERENCES auth.users,"
        " id uuid NOT NULL, new_email bytea NOT NULL, old_email bytea,"
        " confirm_link_id uuid NOT NULL, undo_link_id uuid, create_time timestamptz NOT NULL,"
        " confirm_time timestamptz, release_time timestamptz, PRIMARY KEY (user_id, id))"
    )
    m.user_table("email_changes")
    op.execute("ALTER TABLE auth.logins ADD COLUMN release_time timestamptz")
    op.execute("CREATE INDEX logins_of_user ON auth.logins (user_id)")
    op.execute(
        "ALTER TABLE auth.links DROP CONSTRAINT links_purpose_check, ADD CONSTRAINT"
        " links_purpose_check CHECK (purpose <> '') NOT VALID"
    )
