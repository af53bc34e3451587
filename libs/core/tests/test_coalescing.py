import asyncio
from collections.abc import Sequence

import pytest

from tenon_core import deadlines
from tenon_core.coalescing import Coalescer


async def test_the_most_hurried_caller_does_not_decide_for_the_others() -> None:
    loaded = asyncio.Event()

    async def load(keys: Sequence[str]) -> dict[str, float | None]:
        left = deadlines.remaining()
        await loaded.wait()
        return dict.fromkeys(keys, left)

    answers = Coalescer[str, float | None](load)

    async def hurried() -> float | None:
        async with deadlines.limit(0.01):
            return await answers.get("key")

    first = asyncio.create_task(hurried())
    second = asyncio.create_task(answers.get("key"))
    with pytest.raises(TimeoutError):
        await first
    loaded.set()
    assert await second is None
