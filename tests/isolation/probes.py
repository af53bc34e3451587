"""Each statement of a service, run once more without one of its organization predicates, within its
own transaction and taken back: what it would have shown or changed.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from inspect import isfunction, signature
from typing import Any, TypeAlias

import psycopg
import pytest
from sqlalchemy import text

from tenon_db.transaction import Transaction
from tests.isolation.predicates import (
    ORGANIZATION,
    PERSON,
    Predicate,
    predicates,
    targets,
    unkeyed,
    verb,
    without,
)

METHODS = tuple(
    name
    for name, method in vars(Transaction).items()
    if isfunction(method) and "statement" in signature(method).parameters
)
"""Whatever runs a statement, so that a new way to run one is watched too."""
SERVICES = ("tenon_auth.", "tenon_tenancy.", "tenon_reports.", "tenon_notifications.")

Outcome: TypeAlias = Callable[[], Awaitable[object]]

_probing: ContextVar[bool] = ContextVar("probing", default=False)


@dataclass(frozen=True, order=True)
class Site:
    """One predicate of the statement that a function runs, in one kind of transaction."""

    function: str
    scope: str
    verb: str
    table: str
    predicate: str


@dataclass
class Findings:
    """What was seen of a service's statements. `shown` has all values that a function got as it is
    written, `strange` those that it got without a predicate.
    """

    functions: set[str] = field(default_factory=set)
    probed: dict[Site, int] = field(default_factory=dict)
    leaking: dict[Site, str] = field(default_factory=dict)
    shown: dict[str, set[str]] = field(default_factory=dict)
    strange: dict[Site, set[str]] = field(default_factory=dict)
    unkeyed: set[str] = field(default_factory=set)
    inserting: set[str] = field(default_factory=set)
    misplaced: set[str] = field(default_factory=set)


class Prober:
    """Looks at what runs in this process while it is `watching`."""

    def __init__(self, foreign_org: str) -> None:
        self.found = Findings()
        self._foreign_org = foreign_org
        self._execute = Transaction.execute
        self._execute_many = Transaction.execute_many
        self._rows = Transaction.rows
        self._copy = psycopg.AsyncCursor.copy

    @contextmanager
    def watching(self) -> Iterator[Findings]:
        with pytest.MonkeyPatch.context() as patch:
            for name in METHODS:
                patch.setattr(Transaction, name, self._hooked(getattr(Transaction, name)))
            patch.setattr(psycopg.AsyncCursor, "copy", self._hooked_copy(self._copy))
            yield self.found

    def _hooked(self, method: Any) -> Any:
        parameterized = "parameters" in signature(method).parameters

        async def probed(tx: Transaction, statement: Any, *given: Any) -> Any:
            if _probing.get():
                return await method(tx, statement, *given)
            token = _probing.set(True)
            try:
                await self._probe(tx, statement, given[0] if given and parameterized else None)
                return await method(tx, statement, *given)
            finally:
                _probing.reset(token)

        return probed

    def _hooked_copy(self, method: Any) -> Any:
        @asynccontextmanager
        async def probed(
            cursor: Any, statement: bytes | str, params: Any = None, **options: Any
        ) -> AsyncIterator[Any]:
            sql = statement.decode() if isinstance(statement, bytes) else statement
            self._see(sql, "tenant")
            for predicate in predicates(sql):
                await self._compare_copies(cursor.connection, sql, params, predicate)
            async with method(cursor, statement, params, **options) as copy:
                yield copy

        return probed

    async def _probe(self, tx: Transaction, statement: Any, parameters: Any) -> None:
        scope = await self._scope(tx)
        self._see(statement, scope)
        for table in targets(statement):
            await self._misplace(tx, statement, parameters, f"{_function()}: {table}")
        for predicate in predicates(statement, _owners(scope)):
            stripped = without(statement, predicate)
            plain, bare = await self._compared(
                partial(self._outcome, tx, statement, parameters),
                partial(self._outcome, tx, stripped, parameters),
            )
            self._note(_site(scope, statement, predicate), plain, bare)

    async def _scope(self, tx: Transaction) -> str:
        if tx.org_id is not None:
            return "tenant"
        if tx.user_id is not None:
            return "user"
        (row,) = await self._rows(tx, text("SELECT current_setting('app.purpose', true)"))
        return f"system: {row[0]}"

    def _see(self, statement: Any, scope: str) -> None:
        function = _function()
        self.found.functions.add(function)
        if not scope.startswith("system"):
            for table in unkeyed(statement, _owners(scope)):
                self.found.unkeyed.add(f"{function}: {verb(statement)} of {table}")

    def _note(self, site: Site, plain: object, bare: object) -> None:
        self.found.probed[site] = self.found.probed.get(site, 0) + 1
        self.found.shown.setdefault(site.function, set()).update(_values(plain))
        self.found.strange.setdefault(site, set()).update(_values(bare))
        if plain != bare:
            self.found.leaking.setdefault(site, f"{plain} became {bare}")

    async def _outcome(self, tx: Transaction, statement: Any, parameters: Any) -> object:
        """Return the rows, or how many were changed, or the error; nothing of it stays."""
        async with _taken_back(partial(self._say, tx)):
            try:
                if statement.is_select or getattr(statement, "_returning", ()):
                    rows = await self._rows(tx, statement, parameters)
                    return sorted(tuple(map(repr, row)) for row in rows)
                if isinstance(parameters, list):
                    await self._execute_many(tx, statement, parameters)
                    return len(parameters)
                return (await self._execute(tx, statement, parameters)).rowcount
            except Exception as error:  # noqa: BLE001 # any: that it fails is what is asked
                return type(error).__name__

    async def _compared(self, plain: Outcome, bare: Outcome) -> tuple[object, object]:
        """Return both outcomes; once more if others changed the rows meanwhile."""
        before, after = await plain(), None
        while before != after:
            stripped = await bare()
            before, after = await plain(), before
        return before, stripped

    async def _say(self, tx: Transaction, statement: str) -> None:
        await self._execute(tx, text(statement))

    async def _misplace(
        self, tx: Transaction, statement: Any, parameters: Any, insert: str
    ) -> None:
        """Insert the row as another organization: row level security must refuse it."""
        self.found.inserting.add(insert)
        async with _taken_back(partial(self._say, tx)):
            await self._say(tx, f"SELECT set_config('app.org_id', '{self._foreign_org}', true)")
            outcome = await self._outcome(tx, statement, parameters)
        if not isinstance(outcome, str):
            self.found.misplaced.add(insert)

    async def _compare_copies(
        self, connection: Any, sql: str, params: Any, predicate: Predicate
    ) -> None:
        site = Site(_function(), "tenant", "COPY", predicate.table, predicate.text)
        plain, bare = await self._compared(
            partial(self._copied, connection, sql, params),
            partial(self._copied, connection, without(sql, predicate), params),
        )
        self._note(site, plain, bare)

    async def _copied(self, connection: Any, sql: str, params: Any) -> list[bytes]:
        async with (
            _taken_back(connection.execute),
            connection.cursor() as cursor,
            self._copy(cursor, sql, params) as copy,
        ):
            return sorted([bytes(line) async for line in copy])


@contextmanager
def stripped(function: str) -> Iterator[None]:
    """Let one function run its statements without any organization predicate."""

    def bare(method: Any) -> Any:
        async def run(tx: Transaction, statement: Any, *given: Any) -> Any:
            if _function() == function:
                for predicate in predicates(statement):
                    statement = without(statement, predicate)
            return await method(tx, statement, *given)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in METHODS:
            patch.setattr(Transaction, name, bare(getattr(Transaction, name)))
        yield


@asynccontextmanager
async def _taken_back(say: Callable[[str], Awaitable[object]]) -> AsyncIterator[None]:
    """Undo what the body does, and go on with the transaction.

    Not when the body is cancelled: all of the transaction is taken back then, and an error of the
    connection that was cut off must not take the cancellation's place.
    """
    await say("SAVEPOINT probe")
    yield
    await say("ROLLBACK TO probe")
    await say("RELEASE probe")


def _values(outcome: object) -> set[str]:
    rows = outcome if isinstance(outcome, list) else []
    return {value for row in rows for value in row if isinstance(row, tuple)}


def _owners(scope: str) -> frozenset[str]:
    return PERSON if scope == "user" else ORGANIZATION


def _site(scope: str, statement: Any, predicate: Predicate) -> Site:
    return Site(_function(), scope, verb(statement), predicate.table, predicate.text)


def _function() -> str:
    """Return the innermost function of a service that is being run."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment] # ends with None
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(SERVICES):
            return f"{module}.{frame.f_code.co_qualname}"
    return "no service"
