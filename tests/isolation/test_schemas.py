"""A4: the schemas of all services are safe; and what is planted in them is found."""

from collections.abc import Iterator

import psycopg
import pytest

from tenon_db import catalog
from tenon_db.roles import app_role
from tenon_testing.system import SERVICES, System

OWNED = """
SELECT oid::regclass::text, relname, substring(obj_description(oid, 'pg_class') FROM 7)
FROM pg_class WHERE relnamespace = %s::regnamespace AND NOT relispartition
    AND obj_description(oid, 'pg_class') IN ('kind: tenant', 'kind: user')
"""
PLANTED = [
    (
        "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        "table {name} does not force row level security",
    ),
    ("DROP POLICY of_{kind} ON {table}", "table {name} has no policy that holds it to its {kind}"),
    (
        "CREATE POLICY open ON {table} FOR SELECT USING (true)",
        "policy open of table {name} shows more than a purpose or a person's own",
    ),
    ("GRANT TRUNCATE ON {table} TO {app}", "role {app} may truncate or refer to {name}"),
    ("GRANT SELECT ON {table} TO PUBLIC", "everybody may use {name}"),
    ("ALTER TABLE {table} OWNER TO {app}", "role {app} owns {name}"),
    ("COMMENT ON TABLE {table} IS ''", "table {name} is in no catalogue"),
]


@pytest.fixture
def admin(whole_system: System) -> Iterator[psycopg.Connection]:
    """A transaction of the superuser; what it does is taken back."""
    with psycopg.connect(whole_system.admin_url()) as connection:
        connection.execute("SET lock_timeout TO '10s'")
        yield connection
        connection.rollback()


def findings(admin: psycopg.Connection, service: str) -> list[str]:
    statement = catalog.findings(service).compile(compile_kwargs={"literal_binds": True})
    return [row[0] for row in admin.execute(str(statement).encode()).fetchall()]


@pytest.mark.parametrize("service", SERVICES)
def test_the_schema_is_safe(admin: psycopg.Connection, service: str) -> None:
    assert findings(admin, service) == []


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_planted_in_any_table_is_found(admin: psycopg.Connection, service: str) -> None:
    """The positive control, in every table of a tenant or a person."""
    tables = admin.execute(OWNED, [service]).fetchall()
    assert tables
    missed = []
    for table, name, kind in tables:
        values = {"table": table, "name": name, "kind": kind, "app": app_role(service)}
        for planted, finding in PLANTED:
            with admin.transaction(force_rollback=True):
                admin.execute(planted.format_map(values).encode())
                found = findings(admin, service)
            if not any(line.startswith(finding.format_map(values)) for line in found):
                missed.append(f"{planted.format_map(values)}: {found}")
    assert missed == []
