"""Invitations, and offers to own an organization."""

from alembic import op

from tenon_db import migrations as m

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _create_invitations()
    _create_invited_addresses()
    op.execute(
        "CREATE TABLE tenancy.mailed_addresses (email_index bytea PRIMARY KEY,"
        " free_time timestamptz NOT NULL)"
    )
    m.global_table("mailed_addresses")
    op.execute(
        "CREATE TABLE tenancy.ownership_offers"
        " (org_id uuid PRIMARY KEY REFERENCES tenancy.organizations, id uuid NOT NULL,"
        " owner_id uuid NOT NULL, user_id uuid NOT NULL, create_time timestamptz NOT NULL,"
        " expire_time timestamptz NOT NULL, accept_time timestamptz)"
    )
    m.tenant_table("ownership_offers")


def _create_invitations() -> None:
    op.execute(
        "CREATE TABLE tenancy.invitations (org_id uuid NOT NULL REFERENCES tenancy.organizations,"
        " id uuid NOT NULL, email bytea NOT NULL,"
        " role smallint NOT NULL CHECK (role BETWEEN 1 AND 4), inviter_id uuid NOT NULL,"
        " link_id uuid NOT NULL, create_time timestamptz NOT NULL,"
        " expire_time timestamptz NOT NULL, PRIMARY KEY (org_id, id), UNIQUE (org_id, link_id))"
    )
    m.tenant_table("invitations")


def _create_invited_addresses() -> None:
    op.execute(
        "CREATE TABLE tenancy.invited_addresses (org_id uuid NOT NULL, email_index bytea NOT NULL,"
        " index_key text NOT NULL, invitation_id uuid NOT NULL, PRIMARY KEY (org_id, email_index),"
        " FOREIGN KEY (org_id, invitation_id) REFERENCES tenancy.invitations ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE INDEX invited_addresses_of_invitation"
        " ON tenancy.invited_addresses (org_id, invitation_id)"
    )
    m.tenant_table("invited_addresses")
