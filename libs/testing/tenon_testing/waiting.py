"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


async def eventually(condition: Callable[[], Awaitable[T]], *, within: float = 10.0) -> T:
    """Return the condition's first true answer; TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not (answer := await condition()):
            await asyncio.sleep(POLL_SECONDS)
    return answer


def wait_until(condition: Callable[[], T], *, within: float = 10.0) -> T:
    """Return the condition's first true answer, for tests without an event loop; TimeoutError."""
    end = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > end:
            message = f"not within {within:.0f} s: {getattr(condition, '__qualname__', condition)}"
            raise TimeoutError(message)
        time.sleep(POLL_SECONDS)
    return answer
