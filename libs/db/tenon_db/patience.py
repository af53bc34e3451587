"""How long to wait for an answer of the server, which may be gone without a word."""

import asyncio
from types import TracebackType
from typing import Self

from psycopg.errors import OperationalError

from tenon_core import deadlines

MARGIN_SECONDS = 0.2
"""What the server has beyond its own `statement_timeout` to say that it is over."""
INSIST_SECONDS = 0.2
"""psycopg asks the server to cancel, and waits for it; interrupted once more, it hangs up."""


class ServerSilent(OperationalError):
    """PostgreSQL did not answer; the connection is closed."""


class Patience:
    """Bounds one wait for the server by `seconds`, or by what the caller has left; ServerSilent.

    A deadline of the caller's ends the wait by itself; then this only sees to it that it does.
    """

    def __init__(self, seconds: float) -> None:
        left = deadlines.remaining()
        self._seconds = (seconds if left is None else min(seconds, left)) + MARGIN_SECONDS
        self._interrupts = 0

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "runs in a task"
        self._task = task
        self._already = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        cancelling = self._task.cancelling()
        for _ in range(self._interrupts):
            cancelling = self._task.uncancel()
        ours = self._interrupts and cancelling <= self._already
        if ours and isinstance(error, asyncio.CancelledError):
            raise ServerSilent("PostgreSQL did not answer.") from error

    def _interrupt(self) -> None:
        self._interrupts += 1
        self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(INSIST_SECONDS, self._interrupt)
