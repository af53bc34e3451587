import asyncio

import pytest

from tenon_core import background


async def forever(lost: int) -> None:
    """Go on as long as cancellations are lost, the first ones."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not lost:
                raise
            lost -= 1


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_a_loop_ends_though_a_cancellation_is_lost(
    monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.01)
    async with asyncio.timeout(5), background.background(forever(0), forever(lost)):
        await asyncio.sleep(0)


async def test_what_failed_before_does_not_keep_the_others() -> None:
    async def fails() -> None:
        raise ValueError

    other = asyncio.ensure_future(forever(0))
    async with background.background(fails(), other):
        await asyncio.sleep(0)
    assert other.cancelled()
