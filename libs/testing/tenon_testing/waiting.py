"""Waiting for a condition instead of for a time."""

import asyncio
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
