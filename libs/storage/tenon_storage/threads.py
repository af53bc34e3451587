"""Blocking calls, kept off the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from tenon_storage.errors import told

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Call it in a thread and tell its failures as our own errors."""
    with told():
        return await asyncio.to_thread(function, *args, **named)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await the work. A cancellation is raised only when it is done.

    A thread cannot be interrupted, and what undoes its work must not run beside it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
