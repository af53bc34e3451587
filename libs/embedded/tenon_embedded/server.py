import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tenon_embedded.child import Child
from tenon_embedded.command import Command
from tenon_embedded.errors import StartFailed
from tenon_embedded.guard import Guard, process_guard

LAST_BYTES = 64 * 1024
INHERITED = ("PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


def inherited_environment() -> dict[str, str]:
    """What any program needs of this process' environment, and nothing secret."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def last_lines(log: Path, count: int = 20, *, since: int = 0) -> str:
    """The end of a log, for a message, from a byte on; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, log.stat().st_size - LAST_BYTES))
            said = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(said.splitlines()[-count:])


class Server(ABC):
    """A server on a port of the loopback address with its files in one directory.

    `prepare`, `command` and `is_ready` serve whoever supervises it; `start` and `stop`, or a
    `with` statement, run it under this process' guard.
    """

    name: str

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self._child: Child | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make what it needs before its first start; does nothing the second time."""

    @abstractmethod
    def command(self) -> Command: ...

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers on its port now."""

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self._child is not None, "not started"
        return self._child.pid

    def start(self, timeout: float = 30.0, guard: Guard | None = None) -> None:
        """Run it and return when it is ready. Raises StartFailed after `timeout` seconds."""
        self.prepare()
        self._child = (guard or process_guard()).spawn(self.command(), self.log)
        try:
            self._wait_until_ready(self._child, time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it gracefully, at last by force; does nothing if it does not run."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def wait(self) -> None:
        """Return when it has ended, by itself or by another's signal; at once if it is stopped."""
        if self._child is not None:
            self._child.wait()

    def _wait_until_ready(self, child: Child, end: float) -> None:
        while not self.is_ready():
            if child.exit_code() is not None:
                raise StartFailed(f"{self.name} ended at its start:\n{last_lines(self.log)}")
            if time.monotonic() > end:
                raise StartFailed(f"{self.name} did not get ready:\n{last_lines(self.log)}")
            time.sleep(0.02)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
