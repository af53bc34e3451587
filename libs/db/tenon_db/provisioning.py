"""A database for services: for each a schema, an owner role that migrates and an application role.

Done once by whoever may create roles (the launcher, a test run, an operator's first deployment);
doing it again changes nothing but the passwords.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tenon_db.roles import app_role, owner_role


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of a service's two roles."""

    owner: str
    app: str


def provision(admin_url: str, database: str, services: Mapping[str, Passwords]) -> None:
    """Make the database, roles and schemas as the server's administrator, where they are missing.

    An application role owns nothing, bypasses nothing, and sees its own schema only.
    """
    with psycopg.connect(admin_url, autocommit=True) as admin:
        _create_roles(admin, services)
        _create_database(admin, database)
    with psycopg.connect(admin_url, dbname=database) as admin:
        _close_to_the_public(admin, database)
        for service in services:
            _create_schema(admin, database, service)


def _create_roles(admin: psycopg.Connection, services: Mapping[str, Passwords]) -> None:
    for service, passwords in services.items():
        for role, password in (
            (owner_role(service), passwords.owner),
            (app_role(service), passwords.app),
        ):
            found = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            statement = "ALTER" if found else "CREATE"
            admin.execute(
                sql.SQL(
                    statement + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
                    " PASSWORD {}"
                ).format(sql.Identifier(role), sql.Literal(password))
            )
            # Also behind a pooler, which passes none of a client's own settings on.
            admin.execute(
                sql.SQL("ALTER ROLE {} SET timezone TO 'UTC'").format(sql.Identifier(role))
            )


def _create_database(admin: psycopg.Connection, database: str) -> None:
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def _close_to_the_public(admin: psycopg.Connection, database: str) -> None:
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _create_schema(admin: psycopg.Connection, database: str, service: str) -> None:
    owner, app = sql.Identifier(owner_role(service)), sql.Identifier(app_role(service))
    schema, name = sql.Identifier(service), sql.Identifier(database)
    admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(name, owner, app))
    admin.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(name, app))
    admin.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, owner))
    admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, app))
