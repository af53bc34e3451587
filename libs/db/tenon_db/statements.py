"""SQLAlchemy's statements as psycopg runs them.

SQLAlchemy writes the SQL, once for all statements of one shape, and psycopg executes it: through
SQLAlchemy's own execution a statement costs three times as much.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy types no dialect
REMEMBERED = 500
"""Shapes of statements; beyond that the least recently used are compiled again."""

Parameters = Mapping[str, Any]

_compiled: LRUCache[Any, Any] = LRUCache(REMEMBERED)


def compiled(statement: Executable, given: Parameters | None) -> tuple[str, Parameters]:
    """Return the SQL and its parameters, as SQLAlchemy's own execution has them."""
    if isinstance(statement, ExecutableDDLElement):
        return str(statement.compile(dialect=DIALECT)), {}
    # Private, for no public name compiles through a cache; the lock pins SQLAlchemy's version.
    sql, extracted, collected, _ = statement._compile_w_cache(  # noqa: SLF001
        DIALECT, compiled_cache=_compiled, column_keys=sorted(given or ())
    )
    assert isinstance(sql, SQLCompiler)
    if sql.insert_prefetch or sql.update_prefetch:
        raise TypeError("a column's default must be the database's: declare a server_default")
    parameters = sql.construct_params(
        dict(given or {}), extracted_parameters=extracted, _collected_params=collected
    )
    for name, process in sql._bind_processors.items():  # noqa: SLF001 # as above
        parameters[name] = process(parameters[name])  # type: ignore[operator]
    if not (sql.post_compile_params or sql.literal_execute_params):
        return sql.string, parameters
    expanded = sql._process_parameters_for_postcompile(parameters)  # noqa: SLF001 # as above
    return expanded.statement, {**parameters, **expanded.additional_parameters}


def named_rows(names: tuple[bytes, ...], tuples: Sequence[tuple[Any, ...]]) -> Sequence[Row[Any]]:
    """Return what was fetched as rows with the names of their columns."""
    result: IteratorResult[Any] = IteratorResult(_metadata(names), iter(tuples))
    return result.all()


@lru_cache(REMEMBERED)
def _metadata(names: tuple[bytes, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData([name.decode() for name in names])
