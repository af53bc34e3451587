"""How long the current call may still take, passed down to every database and peer it asks.

A lost context variable only loosens a deadline to its default; nothing that
decides about access is kept in one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar, copy_context

_deadline: ContextVar[float | None] = ContextVar("tenon_deadline", default=None)


def remaining() -> float | None:
    """Return the seconds that are left, never below 0; None without a deadline."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    return max(0.0, deadline - asyncio.get_running_loop().time())


def without() -> Context:
    """Return the current context without a deadline, for work that is done for several callers:
    the most hurried of them must not decide for the others.
    """
    context = copy_context()
    context.run(_deadline.set, None)
    return context


@asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[None]:
    """Bound the body by `seconds`, or by what is left already if that is less; TimeoutError."""
    left = remaining()
    if left is not None:
        seconds = min(seconds, left)
    token = _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        async with asyncio.timeout(seconds):
            yield
    finally:
        _deadline.reset(token)
