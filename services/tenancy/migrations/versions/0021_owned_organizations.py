"""How many organizations each user owns, so that a user owns a limited number.

A trigger counts, so that no change of a membership is missed. It acts with the rights of whoever
changes the membership, and the counter's row is locked until the commit.
"""

from alembic import op

from tenon_db import migrations as m

revision = "0021"
down_revision = "0020"

OWNER = 4
COUNT = f"""
CREATE FUNCTION tenancy.count_owned_organizations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.role = {OWNER} THEN
    UPDATE tenancy.owned_organizations SET organizations = organizations - 1
    WHERE user_id = OLD.user_id;
    DELETE FROM tenancy.owned_organizations WHERE user_id = OLD.user_id AND organizations = 0;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.role = {OWNER} THEN
    INSERT INTO tenancy.owned_organizations VALUES (NEW.user_id, 1)
    ON CONFLICT (user_id) DO UPDATE SET organizations = owned_organizations.organizations + 1;
  END IF;
  RETURN NULL;
END $$
"""  # noqa: S608 # a number of ours

BACKFILL = f"""
INSERT INTO tenancy.owned_organizations
SELECT user_id, count(*) FROM tenancy.memberships WHERE role = {OWNER} GROUP BY user_id
"""  # noqa: S608 # as above


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tenancy.owned_organizations (user_id uuid PRIMARY KEY,"
        " organizations integer NOT NULL)"
    )
    m.global_table("owned_organizations")
    op.execute(COUNT)
    op.execute(
        "CREATE TRIGGER count_owned AFTER INSERT OR DELETE OR UPDATE OF role"
        " ON tenancy.memberships FOR EACH ROW"
        " EXECUTE FUNCTION tenancy.count_owned_organizations()"
    )
    _count_the_owners_that_are_there()


def _count_the_owners_that_are_there() -> None:
    """Count them as their table's owner, who is held to one organization otherwise."""
    op.execute("ALTER TABLE tenancy.memberships NO FORCE ROW LEVEL SECURITY")
    op.execute(BACKFILL)
    op.execute("ALTER TABLE tenancy.memberships FORCE ROW LEVEL SECURITY")
