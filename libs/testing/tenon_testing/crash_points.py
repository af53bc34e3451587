"""Death at a named point of a process, without a hook for it in the process's own code.

`python -m tenon_testing.crash_points DIRECTORY tenon_auth serve` runs `python -m tenon_auth serve`
with the functions wrapped that DIRECTORY/points.json names for this process. Nothing happens at a
point until it is armed; then the process kills itself when it passes there.
"""

import inspect
import json
import os
import re
import runpy
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial, reduce, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

Function: TypeAlias = Callable[..., Any]

POINTS, ARMED, SPRUNG = "points.json", "armed", "sprung"
STATEMENTS = ("execute", "execute_many")
"""By which everything else of a transaction reaches the database."""


class Moment(StrEnum):
    """Where in a call a point lies; of an `async with` block, its end is meant.

    COMMITTED is for blocks that are transactions: after the commit, before what waits for it.
    """

    BEFORE = "before"
    AFTER = "after"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the code of a process, as `module:function` or `module:Class.method`.

    It is passed by calls of which an argument contains `argument`, and AFTER only if they returned
    something. Transactions that changed nothing pass no point.
    """

    name: str
    process: str
    target: str
    moment: Moment
    argument: str = ""

    @property
    def file_name(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name)


class Traps:
    """The points of a system, to be armed by a test; processes and tests share a directory."""

    def __init__(self, directory: Path, points: Iterable[Point]) -> None:
        self._directory = directory
        self._points = {point.name: point for point in points}
        for name in (ARMED, SPRUNG):
            (directory / name).mkdir(parents=True)
        described = [asdict(point) for point in self._points.values()]
        (directory / POINTS).write_text(json.dumps(described))

    @property
    def runner(self) -> tuple[str, ...]:
        """Return what stands before a module's name to run it with its points."""
        return ("tenon_testing.crash_points", str(self._directory))

    def arm(self, name: str, passage: int = 1) -> None:
        """Let the process die when it passes for the `passage`-th time from now on."""
        file_name = self._points[name].file_name
        (self._directory / SPRUNG / file_name).unlink(missing_ok=True)
        (self._directory / ARMED / file_name).write_text(str(passage))

    def disarm(self, name: str) -> None:
        (self._directory / ARMED / self._points[name].file_name).unlink(missing_ok=True)

    def has_sprung(self, name: str) -> bool:
        """Say whether the process died at the point since it was armed."""
        return (self._directory / SPRUNG / self._points[name].file_name).exists()


class Changes:
    """Which transactions changed something: one that only looked has nothing to lose."""

    def __init__(self) -> None:
        self._changed: dict[int, bool] = {}

    def watch(self) -> None:
        """Notice every change of every transaction from now on."""
        from tenon_db import transaction

        kind: Any = transaction.Transaction
        for name in STATEMENTS:
            setattr(kind, name, self._noting(getattr(kind, name), _is_change))
        kind.publish = self._noting(kind.publish, lambda _: True)
        kind.__init__ = self._beginning(kind.__init__)

    def has(self, entered: object) -> bool:
        """Say whether a transaction changed something; whatever else is no transaction did."""
        return self._changed.get(id(entered), True)

    def _beginning(self, original: Function) -> Function:
        @wraps(original)
        def begun(tx: Any, *args: Any, **kwargs: Any) -> None:
            self._changed[id(tx)] = False
            original(tx, *args, **kwargs)

        return begun

    def _noting(self, original: Function, is_change: Callable[[Any], bool]) -> Function:
        @wraps(original)
        def noted(tx: Any, *args: Any, **kwargs: Any) -> Any:
            if is_change(args[0]):
                self._changed[id(tx)] = True
            return original(tx, *args, **kwargs)

        return noted


class Trap:
    """One point within its process."""

    def __init__(self, point: Point, directory: Path, changes: Changes) -> None:
        self._moment = point.moment
        self._argument = point.argument
        self._armed = directory / ARMED / point.file_name
        self._sprung = directory / SPRUNG / point.file_name
        self._changes = changes
        self._passages = 0

    def wrap(self, original: Function) -> Function:
        if inspect.isasyncgenfunction(inspect.unwrap(original)):
            return self._around_block(original)
        if inspect.iscoroutinefunction(original):
            return self._around_coroutine(original)
        return self._around_call(original)

    def _around_call(self, original: Function) -> Function:
        @wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            concerned = self._concerns(args, kwargs)
            self._pass(Moment.BEFORE, concerned)
            result = original(*args, **kwargs)
            self._pass(Moment.AFTER, concerned and _found(result))
            return result

        return wrapped

    def _around_coroutine(self, original: Function) -> Function:
        @wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            concerned = self._concerns(args, kwargs)
            self._pass(Moment.BEFORE, concerned)
            result = await original(*args, **kwargs)
            self._pass(Moment.AFTER, concerned and _found(result))
            return result

        return wrapped

    def _around_block(self, original: Function) -> Function:
        @asynccontextmanager
        async def wrapped(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            concerned = self._concerns(args, kwargs)
            async with original(*args, **kwargs) as entered:
                if self._moment is Moment.COMMITTED and concerned:
                    entered.after_commit(partial(self._committed, entered))
                yield entered
                concerned = concerned and self._changes.has(entered)
                self._pass(Moment.BEFORE, concerned)
            self._pass(Moment.AFTER, concerned)

        return wrapped

    async def _committed(self, entered: object) -> None:
        self._pass(Moment.COMMITTED, self._changes.has(entered))

    def _concerns(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        values = (*args, *kwargs.values())
        return not self._argument or any(self._argument in str(value) for value in values)

    def _pass(self, moment: Moment, concerned: bool) -> None:
        if concerned and moment is self._moment and self._is_due():
            self._armed.replace(self._sprung)
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_due(self) -> bool:
        """Count the passages while the point is armed."""
        try:
            wanted = int(self._armed.read_text() or 1)
        except FileNotFoundError:
            self._passages = 0
            return False
        self._passages += 1
        return self._passages >= wanted


def install(directory: Path, process: str) -> None:
    """Wrap what the points of this process name."""
    changes = Changes()
    changes.watch()
    for described in json.loads((directory / POINTS).read_text()):
        point = Point(**{**described, "moment": Moment(described["moment"])})
        if point.process == process:
            owner, name = _found_target(point.target)
            setattr(owner, name, Trap(point, directory, changes).wrap(getattr(owner, name)))


def _found_target(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    return reduce(getattr, owners, import_module(module)), name


def _found(result: object) -> bool:
    """Say whether a call did something: a claim that finds no job returns an empty list."""
    return result is None or bool(result)


def _is_change(statement: object) -> bool:
    return bool(getattr(statement, "is_dml", False))


def main() -> None:
    directory, module, verb = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    install(directory, f"{module.removeprefix('tenon_')}-{verb}")
    sys.argv = [module, verb]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
