"""API keys of organizations, and the keyed hashes that their secrets are found by."""

from alembic import op

from tenon_db import migrations as m

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE auth.api_keys (org_id uuid NOT NULL, id uuid NOT NULL, name text NOT NULL,"
        " role smallint NOT NULL, permissions text[] NOT NULL, prefix text NOT NULL,"
        " creator_id uuid NOT NULL, create_time timestamptz NOT NULL,"
        " expire_time timestamptz NOT NULL, last_used_time timestamptz, PRIMARY KEY (org_id, id))"
    )
    m.tenant_table("api_keys")
    op.execute(
        "CREATE TABLE auth.api_key_secrets (secret_index bytea PRIMARY KEY,"
        " index_key text NOT NULL, id uuid NOT NULL, org_id uuid NOT NULL, key_id uuid NOT NULL,"
        " expire_time timestamptz NOT NULL)"
    )
    m.global_table("api_key_secrets")
    op.execute("CREATE INDEX api_key_secrets_by_id ON auth.api_key_secrets (id)")
    op.execute("CREATE INDEX api_key_secrets_of_key ON auth.api_key_secrets (org_id, key_id)")
