"""Loops that run until they are cancelled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

AGAIN_SECONDS = 1.0


@asynccontextmanager
async def background(*loops: Awaitable[None]) -> AsyncIterator[None]:
    """Run endless loops beside the body, and end them with it."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        await end(tasks)


async def end(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel tasks until all are done, whatever they end with.

    Once may not be enough: a wait that is over in the same moment can take the cancellation along
    (that of `asyncio.wait_for` in Python 3.11 does), and the loop would go on for good.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
