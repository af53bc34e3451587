"""Migrations: Alembic per service and schema, and the operations that they share.

A service keeps its revisions in `migrations/versions/`; `run` finds and applies them as the owner
role. `op` helpers: every table is declared tenant, user or global, and gets its row level
security, its grants and a comment with its kind in the same breath.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from alembic import command, op
from alembic.config import Config
from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from tenon_db import roles
from tenon_db.deleted_organizations import LOCK, REFUSED, TENANTS_TABLES

SCRIPTS = Path(__file__).parent / "alembic"
LOCK_TIMEOUT = "1s"
"""How long a migration keeps others waiting, at most, because it waits itself."""
TRIES = 60
PAUSE_SECONDS = 1.0
"""In which whoever has waited gets on."""


class MigrationBlocked(Exception):
    """Somebody's long transaction holds a lock that the migration needs."""


def run(url: str, *, schema: str, versions: Path, revision: str = "head") -> None:
    """Bring the schema to a revision, as the owner role; nothing happens if it is there already.

    It waits for no lock longer than `LOCK_TIMEOUT`, and then begins anew, `TRIES` times;
    MigrationBlocked.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions))
    config.attributes["url"] = make_url(url).set(drivername="postgresql+psycopg")
    config.attributes["schema"] = schema
    config.attributes["lock_timeout"] = LOCK_TIMEOUT
    for _ in range(TRIES):
        try:
            command.upgrade(config, revision)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise MigrationBlocked(
        f"a long transaction holds a lock on a table of {schema} that the migration needs: end it"
        " (pg_stat_activity tells whose it is), and run `migrate` again"
    )


def schema() -> str:
    """Return the schema that is being migrated."""
    name: str = op.get_context().opts["version_table_schema"]
    return name


def app_role() -> str:
    """Return the role that uses the schema that is being migrated."""
    return roles.app_role(schema())


def tenant_table(name: str, *, column: str = "org_id") -> None:
    """Hold a new table's rows to the organization of the transaction."""
    _secure(name, "tenant", column, "app.org_id")


def user_table(name: str, *, column: str = "user_id") -> None:
    """Hold a new table's rows to the person of the transaction."""
    _secure(name, "user", column, "app.user_id")


def global_table(name: str) -> None:
    """Let every transaction see a new table; it must hold nothing of a tenant's or a person's."""
    op.execute(f"COMMENT ON TABLE {schema()}.{name} IS 'kind: global'")
    _grant(name)


def readable_by_user(name: str, *, column: str) -> None:
    """Let a person's transaction read their own rows of a tenant table."""
    own = _equals(column, "app.user_id")
    op.execute(f"CREATE POLICY own ON {schema()}.{name} FOR SELECT USING ({own})")


def readable_for(name: str, purpose: str) -> None:
    """Let `database.system(purpose)` read all rows of a tenant's or user's table."""
    policy = purpose.replace(" ", "_")
    op.execute(
        f"CREATE POLICY {policy} ON {schema()}.{name} FOR SELECT"
        f" USING (current_setting('app.purpose', true) = '{purpose}')"
    )


def create_outbox() -> None:
    """Make the tables of published events."""
    op.execute(
        f"CREATE TABLE {schema()}.outbox (id uuid PRIMARY KEY, position bigint UNIQUE,"
        " type text NOT NULL, org_id uuid, user_id uuid, event_time timestamptz NOT NULL,"
        " payload bytea NOT NULL)"
    )
    op.execute(f"CREATE INDEX outbox_fresh ON {schema()}.outbox (id) WHERE position IS NULL")
    op.execute(
        f"CREATE TABLE {schema()}.outbox_head (position bigint NOT NULL, first bigint NOT NULL)"
    )
    op.execute(f"INSERT INTO {schema()}.outbox_head VALUES (0, 0)")  # noqa: S608 # our own name
    global_table("outbox")
    global_table("outbox_head")


def create_cursors() -> None:
    """Make the table of how far the feeds of others were consumed."""
    op.execute(
        f"CREATE TABLE {schema()}.cursors (source text PRIMARY KEY, position bigint NOT NULL)"
    )
    global_table("cursors")


def create_mail_counters() -> None:
    """Make the table of how many mails were caused lately (`tenon_db.mail_limits`)."""
    op.execute(
        f"CREATE TABLE {schema()}.mail_counters (key bytea PRIMARY KEY,"
        " free_time timestamptz NOT NULL)"
    )
    op.execute(f"CREATE INDEX mail_counters_free ON {schema()}.mail_counters (free_time)")
    global_table("mail_counters")


def create_deleted_organizations(*, but: Sequence[str] = ()) -> None:
    """Make the table of organizations that are no more, and let no tenant's table that is there
    take rows of theirs, `but` those that need not: who writes there is held off by something else.
    """
    op.execute(
        f"CREATE TABLE {schema()}.deleted_organizations (org_id uuid PRIMARY KEY,"
        " keys bigint NOT NULL DEFAULT 0, rows bigint NOT NULL DEFAULT 0,"
        " files bigint NOT NULL DEFAULT 0, create_time timestamptz NOT NULL DEFAULT now())"
    )
    global_table("deleted_organizations")
    op.execute(_REFUSE_DELETED.format(schema=schema(), lock=LOCK.format(org_id="NEW.org_id")))
    tables = op.get_bind().execute(text(TENANTS_TABLES), {"schema": schema()})
    refuse_deleted_organizations(*sorted({row.relname for row in tables}.difference(but)))


def refuse_deleted_organizations(*names: str) -> None:
    """Let tables take no rows of organizations that are no more; of a person's, those that name
    one.
    """
    for name in names:
        op.execute(
            f"CREATE TRIGGER deleted_organizations BEFORE INSERT ON {schema()}.{name} FOR EACH ROW"
            " WHEN (NEW.org_id IS NOT NULL)"
            f" EXECUTE FUNCTION {schema()}.refuse_deleted_organization()"
        )


# The lock is shared by all who write, and held until their end. Each statement of the function
# sees what was committed before it, so also whoever held the lock alone.
_REFUSE_DELETED = f"""
CREATE FUNCTION {{schema}}.refuse_deleted_organization() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared({{lock}});
  IF EXISTS (SELECT FROM {{schema}}.deleted_organizations WHERE org_id = NEW.org_id) THEN
    RAISE EXCEPTION 'the organization is no more' USING ERRCODE = '{REFUSED}';
  END IF;
  RETURN NEW;
END $$
"""


def _secure(name: str, kind: str, column: str, setting: str) -> None:
    table = f"{schema()}.{name}"
    condition = _equals(column, setting)
    op.execute(f"COMMENT ON TABLE {table} IS 'kind: {kind}'")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_{kind} ON {table} USING ({condition}) WITH CHECK ({condition})")
    _grant(name)


def _equals(column: str, setting: str) -> str:
    return f"{column} = NULLIF(current_setting('{setting}', true), '')::uuid"


def _grant(name: str) -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema()}.{name} TO {app_role()}")
