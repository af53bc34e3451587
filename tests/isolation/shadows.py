"""A shadow of an organization: another one that has every row the first has, under the same ids.

So whatever is not held to its organization finds, counts or changes the shadow's row too.
"""

from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg import sql

MAKE = """
CREATE SCHEMA shadow;
CREATE TABLE shadow.pairs (owner uuid PRIMARY KEY, shadow uuid NOT NULL);
CREATE FUNCTION shadow.follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE other uuid := (SELECT shadow FROM shadow.pairs WHERE owner = NEW.org_id);
BEGIN
  IF other IS NOT NULL THEN
    NEW.org_id := other;
    EXECUTE format('INSERT INTO %I.%I SELECT ($1).* ', TG_TABLE_SCHEMA, TG_TABLE_NAME)
      || TG_ARGV[0] USING NEW;
  END IF;
  RETURN NULL;
END $$;
"""
TABLES = """
SELECT n.nspname, c.relname, (
    SELECT array_agg(attname::text) FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = c.oid AND indisprimary
), (
    SELECT array_agg(attname::text) FROM pg_attribute
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s) AND obj_description(c.oid, 'pg_class') = 'kind: tenant'
    AND NOT c.relispartition
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'org_id')
"""
SECURED = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s) AND c.relrowsecurity AND NOT c.relispartition
"""


async def cast_shadows(admin: psycopg.AsyncConnection, schemas: Sequence[str]) -> None:
    """Let every tenant's table follow what is written into it, for organizations with a shadow."""
    await admin.execute(MAKE)
    for schema, table, key, columns in await (
        await admin.execute(TABLES, [list(schemas)])
    ).fetchall():
        await admin.execute(
            sql.SQL(
                "CREATE TRIGGER shadow AFTER INSERT OR UPDATE ON {} FOR EACH ROW"
                " EXECUTE FUNCTION shadow.follow({})"
            ).format(sql.Identifier(schema, table), sql.Literal(_on_conflict(key, columns)))
        )


def _on_conflict(key: list[str] | None, columns: list[str]) -> str:
    """Write what becomes of a shadow's row that is there already; without a key none can be."""
    changing = [f'"{name}" = EXCLUDED."{name}"' for name in columns if name not in (key or ())]
    if not key:
        return ""
    if not changing:
        return "ON CONFLICT DO NOTHING"
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changing)}"


async def pair(admin: psycopg.AsyncConnection, owner: UUID, shadow: UUID) -> None:
    """Give an organization its shadow, and that the members that are there."""
    await admin.execute("INSERT INTO shadow.pairs VALUES (%s, %s)", [owner, shadow])
    await admin.execute("UPDATE tenancy.memberships SET role = role WHERE org_id = %s", [owner])


async def take_the_third_wall_down(admin: psycopg.AsyncConnection, schemas: Sequence[str]) -> None:
    """Switch row level security off for everybody."""
    for (table,) in await (await admin.execute(SECURED, [list(schemas)])).fetchall():
        await admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
