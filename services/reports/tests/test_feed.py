"""The feed as another service has it, over gRPC."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon_rpc.feed import PeerFeed
from tenon_rpc.status import PeerError


@pytest.fixture
async def cut_feed(
    feed: PeerFeed, client: ReportsClient, admin: psycopg.AsyncConnection
) -> AsyncIterator[PeerFeed]:
    """A feed whose events up to its head are gone, for as long as the test lasts."""
    await client.create_dataset()  # so that there is an audit record
    await admin.execute("UPDATE reports.outbox_head SET first = 1")
    yield feed
    await admin.execute("UPDATE reports.outbox_head SET first = 0")


async def test_a_cursor_that_is_too_old_is_told_so(cut_feed: PeerFeed) -> None:
    with pytest.raises(PeerError) as refused:
        await cut_feed.pull(0, ["some.Type"], 10)
    assert refused.value.reason == "cursor_too_old"
    await cut_feed.pull(1, ["some.Type"], 10)


async def test_a_consumer_learns_where_it_may_begin(cut_feed: PeerFeed) -> None:
    stand = await cut_feed.stand(0)
    assert stand.first == 1
    assert stand.head >= 0
    assert (await cut_feed.stand(stand.head + 1_000)).waiting_since is None
