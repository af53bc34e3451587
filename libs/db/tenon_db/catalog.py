"""What must hold for a service's schema before anybody's data goes into it."""

from collections.abc import Iterable
from importlib.resources import files

from sqlalchemy import TextClause, text

from tenon_db.database import Database
from tenon_db.roles import app_role

_FINDINGS = files("tenon_db").joinpath("catalog.sql").read_text()


class UnsafeSchema(Exception):
    """Tenants could reach each other's rows; the message says where, a line for each finding."""


async def require_safe(database: Database) -> None:
    """Look at the schema as the application role; UnsafeSchema."""
    async with database.system("check") as tx:
        rows = await tx.rows(findings(database.schema))
    raise_for(database.schema, (row.finding for row in rows))


def findings(schema: str) -> TextClause:
    """Return the statement that lists what is unsafe, as `finding`."""
    return text(_FINDINGS).bindparams(schema=schema, app_role=app_role(schema))


def raise_for(schema: str, found: Iterable[str]) -> None:
    lines = [f"\n  {finding}" for finding in sorted(found)]
    if lines:
        raise UnsafeSchema(f"schema {schema} is not safe:{''.join(lines)}")
