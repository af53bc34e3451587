"""The organization predicates of a statement: finding them, and taking one out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, Delete, Insert, Select, Table, TextClause, Update, text, true
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from tenon_db.tables import metadata

SCHEMAS = ("auth", "tenancy", "reports")
"""Of the services that have tenants' tables."""

ORG = "org_id"
ORGANIZATION = frozenset({ORG})
PERSON = frozenset({ORG, "user_id"})
"""In a person's own transaction their rows of tenants' tables are held to them."""

# In hand-written SQL, and in what was compiled for COPY: a column, and a parameter or a column.
WRITTEN = re.compile(
    rf"(?P<table>[\w.]+)\.(?P<column>{ORG})\s*=\s*(?:%\(\w+\)s|:\w+|[\w.]+)(?:::\w+)?"
)

Expression: TypeAlias = Any
"""A statement of SQLAlchemy's, whose types for it are many."""

Statement: TypeAlias = Any
"""An expression, or text for COPY."""


@dataclass(frozen=True)
class Predicate:
    """A comparison that holds a table's rows to one owner; `part` is what is taken out."""

    table: str
    text: str
    part: Any


def verb(statement: Statement) -> str:
    for kind in (Select, Update, Delete, Insert):
        if isinstance(statement, kind):
            return kind.__name__.upper()
    return "COPY" if isinstance(statement, str) else "TEXT"


def predicates(statement: Statement, owners: frozenset[str] = ORGANIZATION) -> list[Predicate]:
    """Return the comparisons with the owners of tenants' rows, in the order of the statement."""
    if isinstance(statement, str | TextClause):
        return [
            Predicate(found["table"], _plain(found[0]), found[0])
            for found in WRITTEN.finditer(str(statement))
        ]
    return list(_compared(statement, owners))


def _compared(statement: Expression, owners: frozenset[str]) -> Iterator[Predicate]:
    seen = set()
    for part in iterate(statement):
        if not isinstance(part, BinaryExpression) or part.operator is not operators.eq:
            continue
        sides = [side for side in (part.left, part.right) if isinstance(side, Column)]
        keyed = [side for side in sides if _is_owner(side, owners)]
        if keyed and not any(map(_is_global, sides)) and id(part) not in seen:
            seen.add(id(part))
            yield Predicate(str(keyed[0].table), _plain(str(part)), part)


def _is_owner(side: Column[Any], owners: frozenset[str]) -> bool:
    if not is_tenants(side.table):
        return False
    return side.name in owners or (ORG in owners and side is _key_of(side.table))


def _is_global(side: Column[Any]) -> bool:
    """Say whether a comparison holds a table that is everybody's to a tenant's, not a tenant's."""
    return isinstance(side.table, Table) and side.table.info.get("kind") == "global"


def _key_of(table: Table) -> object:
    """Return the column that is the organization itself, in the table of organizations."""
    return None if ORG in table.c else table.c.id


def is_tenants(table: object) -> bool:
    return isinstance(table, Table) and table.info.get("kind") == "tenant"


def without(statement: Statement, predicate: Predicate) -> Statement:
    """Return the statement with everything in it but this predicate."""
    if isinstance(statement, str):
        return statement.replace(predicate.part, "TRUE", 1)
    if isinstance(statement, TextClause):
        bound = [parameter for parameter in statement._bindparams.values() if parameter.value]
        return text(str(statement).replace(predicate.part, "TRUE", 1)).bindparams(*bound)
    stripped: Expression = replacement_traverse(  # type: ignore[call-overload] # any statement
        statement, {}, lambda part, **_: true() if part is predicate.part else None
    )
    return stripped


def unkeyed(statement: Statement, owners: frozenset[str] = ORGANIZATION) -> set[str]:
    """Return the tenants' tables that a statement reads or changes without naming the owner."""
    if isinstance(statement, str | TextClause):
        return set() if predicates(statement) else _mentioned(str(statement))
    used = {part for part in iterate(statement) if is_tenants(part)} - targets(statement)
    keyed = {
        side.table
        for predicate in predicates(statement, owners)
        for side in (predicate.part.left, predicate.part.right)
        if isinstance(side, Column)
    }
    return {str(table) for table in used - keyed}


def _mentioned(written: str) -> set[str]:
    tables = [table for schema in SCHEMAS for table in metadata(schema).tables.values()]
    names = [table.fullname for table in tables if is_tenants(table)]
    return {name for name in names if re.search(rf"\b{re.escape(name)}\b", written)}


def targets(statement: Statement) -> set[Table]:
    """Return the tenants' tables that a statement inserts into, also in a part of it."""
    if isinstance(statement, str | TextClause):
        return set()
    into = {part.table for part in iterate(statement) if isinstance(part, Insert)}
    return {table for table in into if isinstance(table, Table) and is_tenants(table)}


def _plain(written: str) -> str:
    """Write a predicate the same, however its parameters are numbered."""
    return re.sub(r"%\((\w+?)(?:_\d+)?\)s(?:::\w+)?|:(\w+?)(?:_\d+)?\b", r":\1\2", written)
