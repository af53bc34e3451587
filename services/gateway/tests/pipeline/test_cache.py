import asyncio

import pytest

from tenon_core.errors import Unavailable
from tenon_gateway.pipeline.cache import ENTRY_BYTES, ReplyCache
from tenon_gateway.pipeline.reply import Reply, json_reply


class Maker:
    """Makes replies, slowly, and counts them."""

    def __init__(self, reply: Reply | Exception) -> None:
        self._reply = reply
        self.made = 0

    async def __call__(self) -> Reply:
        self.made += 1
        await asyncio.sleep(0)
        if isinstance(self._reply, Exception):
            raise self._reply
        return self._reply


async def test_a_kept_reply_is_found_until_its_key_changes() -> None:
    cache, reply = ReplyCache(), json_reply(200, b"{}")
    await cache.make(("route", "version 1"), Maker(reply))
    assert cache.find(("route", "version 1")) is reply
    assert cache.find(("route", "version 2")) is None


async def test_one_request_makes_what_many_wait_for() -> None:
    cache, maker = ReplyCache(), Maker(json_reply(200, b"{}"))
    replies = await asyncio.gather(*(cache.make("key", maker) for _ in range(20)))
    assert maker.made == 1
    assert {reply.body for reply in replies} == {b"{}"}


async def test_a_failure_is_not_shared() -> None:
    cache, maker = ReplyCache(), Maker(Unavailable())
    results = await asyncio.gather(
        *(cache.make("key", maker) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [Unavailable] * 3
    assert maker.made == 3


async def test_only_success_is_kept() -> None:
    cache = ReplyCache()
    await cache.make("key", Maker(json_reply(404, b"{}")))
    assert cache.find("key") is None


async def test_the_least_recently_used_goes_when_it_is_full() -> None:
    cache = ReplyCache(max_bytes=2 * ENTRY_BYTES + 20)
    for key in ("a", "b"):
        await cache.make(key, Maker(json_reply(200, b"0123456789")))
    cache.find("a")
    await cache.make("c", Maker(json_reply(200, b"0123456789")))
    assert [cache.find(key) is not None for key in ("a", "b", "c")] == [True, False, True]


async def test_a_cancelled_maker_leaves_the_others_to_it() -> None:
    cache, maker = ReplyCache(), Maker(json_reply(200, b"{}"))
    first = asyncio.ensure_future(cache.make("key", maker))
    second = asyncio.ensure_future(cache.make("key", maker))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 200
    with pytest.raises(asyncio.CancelledError):
        await first
