"""Alembic's entry: one connection as the owner role, one transaction, one run at a time.

A migration that would leave the schema unsafe is rolled back, and so is one that would have to wait
for a lock: while it waits, everybody who comes after it would wait, too.
"""

from alembic import context
from sqlalchemy import create_engine, pool, text

from tenon_db import catalog

config = context.config
schema = config.attributes["schema"]
engine = create_engine(config.attributes["url"], poolclass=pool.NullPool)

with engine.begin() as connection:
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"migrate {schema}"},
    )
    connection.execute(text(f"SET LOCAL lock_timeout = '{config.attributes['lock_timeout']}'"))
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
    catalog.raise_for(schema, connection.scalars(catalog.findings(schema)))
