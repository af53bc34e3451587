"""Organizations that are no more: no key is made for them."""

from tenon_db import migrations as m

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    m.create_deleted_organizations()
