"""Which credentials of passkeys are registered, whoever's they are.

Of one that several users have registered before, the oldest registration claims it; all go on.
"""

from alembic import op

from tenon_db import migrations as m

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.passkey_credentials (credential_hash bytea PRIMARY KEY,"
        " user_id uuid NOT NULL)"
    )
    m.global_table("passkey_credentials")
    op.execute("CREATE INDEX passkey_credentials_of_user ON auth.passkey_credentials (user_id)")
    op.execute("ALTER TABLE auth.passkeys NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO auth.passkey_credentials SELECT sha256(credential_id), user_id"
        " FROM auth.passkeys ORDER BY create_time ON CONFLICT DO NOTHING"
    )
    op.execute("ALTER TABLE auth.passkeys FORCE ROW LEVEL SECURITY")
