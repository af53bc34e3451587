"""A schema in which tenants could reach each other is refused; each way to that is planted here."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from libs.db.tests.conftest import PASSWORDS, SCHEMA
from tenon_db import catalog, migrations
from tenon_db.catalog import UnsafeSchema
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_testing.servers import Servers

APP, OWNER = app_role(SCHEMA), owner_role(SCHEMA)
PLANTED = [
    (f"CREATE TABLE {SCHEMA}.loose (id int)", "table loose is in no catalogue"),
    (
        f"ALTER TABLE {SCHEMA}.notes NO FORCE ROW LEVEL SECURITY",
        "table notes does not force row level security",
    ),
    (
        f"ALTER TABLE {SCHEMA}.diaries DISABLE ROW LEVEL SECURITY",
        "table diaries does not force row level security",
    ),
    (
        f"DROP POLICY of_tenant ON {SCHEMA}.notes",
        "table notes has no policy that holds it to its tenant",
    ),
    (
        f"ALTER POLICY of_tenant ON {SCHEMA}.notes USING (true)",
        "table notes has no policy that holds it to its tenant",
    ),
    (
        f"CREATE POLICY open ON {SCHEMA}.notes USING (true)",
        "policy open of table notes lets others write",
    ),
    (
        f"CREATE UNIQUE INDEX oracle ON {SCHEMA}.notes (id)",
        f"unique key {SCHEMA}.oracle of table notes does not contain org_id",
    ),
    (
        (
            f"ALTER TABLE {SCHEMA}.outbox_head ADD UNIQUE (position);"
            f" ALTER TABLE {SCHEMA}.notes ADD position bigint"
            f" CONSTRAINT leak REFERENCES {SCHEMA}.outbox_head (position)"
        ),
        "foreign key leak of table notes does not contain org_id",
    ),
    (
        f"CREATE VIEW {SCHEMA}.all_notes AS TABLE {SCHEMA}.notes",
        "view all_notes reads with the rights of its owner",
    ),
    (
        f"CREATE MATERIALIZED VIEW {SCHEMA}.copies AS SELECT 1",
        "view copies reads with the rights of its owner",
    ),
    (
        f"CREATE FUNCTION {SCHEMA}.step() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        f"function {SCHEMA}.step() runs with the rights of its owner",
    ),
    (f"ALTER ROLE {APP} BYPASSRLS", f"role {APP} may step past row level security"),
    (f"GRANT {OWNER} TO {APP}", f"role {APP} is a member of {OWNER}"),
    (f"ALTER TABLE {SCHEMA}.outbox OWNER TO {APP}", f"role {APP} owns outbox"),
    (
        f"GRANT TRUNCATE ON {SCHEMA}.notes TO {APP}",
        f"role {APP} may truncate or refer to notes",
    ),
    (
        f"CREATE SCHEMA neighbour; GRANT USAGE ON SCHEMA neighbour TO {APP}",
        f"role {APP} may use schema neighbour",
    ),
    (f"GRANT CREATE ON SCHEMA {SCHEMA} TO {APP}", f"role {APP} may make tables"),
    (
        f"ALTER POLICY of_tenant ON {SCHEMA}.notes WITH CHECK (true)",
        "table notes has no policy that holds it to its tenant",
    ),
    (
        (
            f"ALTER POLICY of_tenant ON {SCHEMA}.notes"
            " USING (org_id = NULLIF(current_setting('app.user_id', true), '')::uuid)"
        ),
        "table notes has no policy that holds it to its tenant",
    ),
    (
        (
            f"ALTER POLICY of_tenant ON {SCHEMA}.notes"
            " USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid OR id = 1)"
        ),
        "table notes has no policy that holds it to its tenant",
    ),
    (
        f"CREATE POLICY open ON {SCHEMA}.notes FOR SELECT USING (true)",
        "policy open of table notes shows more than a purpose or a person's own",
    ),
    (
        (
            f"CREATE POLICY open ON {SCHEMA}.notes FOR SELECT"
            " USING (current_setting('app.purpose', true) <> 'x')"
        ),
        "policy open of table notes shows more than a purpose or a person's own",
    ),
    (
        (
            f"CREATE POLICY open ON {SCHEMA}.notes FOR SELECT"
            f" USING (EXISTS (TABLE {SCHEMA}.diaries))"
        ),
        "policy open of table notes shows more than a purpose or a person's own",
    ),
    (
        f"CREATE POLICY of_user ON {SCHEMA}.notes USING (true)",
        "policy of_user of table notes is a second of its kind",
    ),
    (
        f"CREATE UNIQUE INDEX oracle ON {SCHEMA}.notes (id) INCLUDE (org_id)",
        f"unique key {SCHEMA}.oracle of table notes does not contain org_id",
    ),
    (
        f"ALTER TABLE {SCHEMA}.notes ADD CONSTRAINT oracle EXCLUDE (id WITH =)",
        f"unique key {SCHEMA}.oracle of table notes does not contain org_id",
    ),
    (
        (
            f"ALTER TABLE {SCHEMA}.notes ADD author uuid, ADD UNIQUE (org_id, author),"
            f" ADD CONSTRAINT crossed FOREIGN KEY (org_id, author)"
            f" REFERENCES {SCHEMA}.notes (author, org_id)"
        ),
        "foreign key crossed of table notes leads from one tenant to another",
    ),
    (
        f"CREATE TABLE {SCHEMA}.heirs () INHERITS ({SCHEMA}.notes)",
        f"table {SCHEMA}.heirs inherits from {SCHEMA}.notes",
    ),
    (
        (
            f"CREATE TABLE {SCHEMA}.parts (org_id uuid) PARTITION BY LIST (org_id);"
            f" CREATE SCHEMA hidden; CREATE TABLE hidden.part PARTITION OF {SCHEMA}.parts DEFAULT"
        ),
        f"table hidden.part inherits from {SCHEMA}.parts",
    ),
    (
        f"CREATE RULE copying AS ON INSERT TO {SCHEMA}.notes DO ALSO SELECT 1",
        "table notes has the rule copying",
    ),
    (
        f"ALTER TABLE {SCHEMA}.notes ADD number int GENERATED ALWAYS AS IDENTITY",
        f"sequence {SCHEMA}.notes_number_seq counts over all that are in notes",
    ),
    (
        (
            "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER"
            f" nowhere; CREATE FOREIGN TABLE {SCHEMA}.distant (id int) SERVER nowhere"
        ),
        "table distant is in no catalogue",
    ),
    (f"ALTER ROLE {APP} REPLICATION", f"role {APP} may step past row level security"),
    (f"GRANT SELECT ON {SCHEMA}.notes TO PUBLIC", "everybody may use notes"),
    (f"GRANT SELECT (id) ON {SCHEMA}.notes TO PUBLIC", "everybody may use id of notes"),
    (
        f"CREATE ROLE passer_by; GRANT SELECT ON {SCHEMA}.notes TO passer_by",
        "passer_by may use notes",
    ),
    (
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT ON TABLES TO PUBLIC",
        f"everybody may use what {OWNER} will make",
    ),
    (
        (
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO "
            f"{APP}', current_database()); END $$"
        ),
        f"role {APP} may make schemas",
    ),
    (
        f"ALTER ROLE {APP} SET app.org_id = '00000000-0000-0000-0000-000000000000'",
        "app.org_id is set without a transaction that says so",
    ),
]


@pytest.fixture
def admin(servers: Servers, database_url: str) -> Iterator[psycopg.Connection]:
    """A transaction of the superuser in the safe database; what it does is taken back."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(servers.postgres.url(name)) as connection:
        yield connection
        connection.rollback()


def findings(admin: psycopg.Connection) -> list[str]:
    statement = str(catalog.findings(SCHEMA).compile(compile_kwargs={"literal_binds": True}))
    return [row[0] for row in admin.execute(statement.encode()).fetchall()]


def test_a_migrated_schema_is_safe(admin: psycopg.Connection) -> None:
    assert findings(admin) == []


@pytest.mark.parametrize(("statement", "finding"), PLANTED, ids=[text for _, text in PLANTED])
def test_what_is_unsafe_is_found(admin: psycopg.Connection, statement: str, finding: str) -> None:
    admin.execute(statement.encode())
    assert any(found.startswith(finding) for found in findings(admin)), findings(admin)


def test_a_view_with_the_rights_of_its_reader_is_safe(admin: psycopg.Connection) -> None:
    admin.execute(
        f"CREATE VIEW {SCHEMA}.mine WITH (security_invoker = true) AS TABLE {SCHEMA}.notes".encode()
    )
    assert findings(admin) == []


async def test_a_process_refuses_an_unsafe_schema(servers: Servers, doorbell: Doorbell) -> None:
    """In a database of its own, for this one is committed."""
    name = f"unsafe_{uuid4().hex}"
    provision(servers.postgres.url(), name, {SCHEMA: PASSWORDS})
    owner = servers.postgres.url(name, OWNER, PASSWORDS.owner)
    migrations.run(owner, schema=SCHEMA, versions=Path(__file__).parent / "versions")
    app = servers.postgres.url(name, APP, PASSWORDS.app)
    database = Database(app, schema=SCHEMA, doorbell=doorbell)
    await catalog.require_safe(database)
    with psycopg.connect(owner) as connection:
        connection.execute(f"CREATE TABLE {SCHEMA}.loose (id int)".encode())
    with pytest.raises(UnsafeSchema, match=r"schema probe is not safe:\n  table loose is in no"):
        await catalog.require_safe(database)
    await database.close()


def test_a_migration_that_is_not_safe_changes_nothing(servers: Servers, tmp_path: Path) -> None:
    name, schema = f"unsafe_{uuid4().hex}", "careless"
    (tmp_path / "0001_careless.py").write_text(
        "from alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n    op.execute('CREATE TABLE careless.loose (id int)')\n"
    )
    passwords = Passwords(owner="owner-of-careless", app="app-of-careless")
    provision(servers.postgres.url(), name, {schema: passwords})
    owner = servers.postgres.url(name, owner_role(schema), passwords.owner)
    with pytest.raises(UnsafeSchema, match="table loose is in no catalogue"):
        migrations.run(owner, schema=schema, versions=tmp_path)
    with psycopg.connect(owner) as connection:
        (table,) = connection.execute("SELECT to_regclass('careless.loose')").fetchone() or ()
    assert table is None
