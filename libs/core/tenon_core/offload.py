"""Work on large messages, kept off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

LARGE_BYTES = 64 * 1024
"""Less is decoded and encoded in about a millisecond: a thread would cost more."""
THREADS = 2

P = ParamSpec("P")
R = TypeVar("R")

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="large-messages")


async def offload(size: int, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function on a message of `size` bytes, in a thread if that is large.

    The threads share the interpreter, which switches between them every 5 ms: what holds the event
    loop is a single call into C, so such calls must be on pieces of a message.
    """
    if size < LARGE_BYTES:
        return function(*args, **kwargs)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool, lambda: function(*args, **kwargs))
