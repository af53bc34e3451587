import asyncio
from collections.abc import Sequence
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest

from tenon_core.errors import Unavailable
from tenon_policy.demands import NOTHING, DemandBook, Demands


class Tenancy:
    """Counts how often it is asked of what."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.asked: list[UUID] = []

    async def demands(self, org_ids: Sequence[UUID]) -> Sequence[Demands]:
        self.asked += org_ids
        version = self.version  # as it is when the question is read
        await asyncio.sleep(0)
        return [Demands(version, mfa=True)] * len(org_ids)


async def test_where_no_policy_was_ever_set_nobody_is_asked() -> None:
    tenancy = Tenancy(1)
    assert await DemandBook(tenancy).get(uuid4(), 1) is NOTHING
    assert tenancy.asked == []


async def test_a_version_is_asked_for_once() -> None:
    tenancy, org_id = Tenancy(2), uuid4()
    book = DemandBook(tenancy)
    told = await asyncio.gather(*(book.get(org_id, 2) for _ in range(20)))
    assert {demands.version for demands in told} == {2}
    await book.get(org_id, 2)
    assert tenancy.asked == [org_id]
    tenancy.version = 3
    assert (await book.get(org_id, 3)).version == 3
    assert (await book.get(org_id, 2)).version == 3
    assert tenancy.asked == [org_id] * 2


async def test_who_knows_of_a_change_does_not_wait_for_an_older_question() -> None:
    tenancy, org_id = Tenancy(2), uuid4()
    book = DemandBook(tenancy)
    earlier = asyncio.create_task(book.get(org_id, 2))
    while not tenancy.asked:
        await asyncio.sleep(0)
    tenancy.version = 3
    assert (await book.get(org_id, 3)).version == 3
    assert (await earlier).version == 2
    assert (await book.get(org_id, 2)).version == 3


async def test_policies_of_which_the_owner_knows_nothing_are_not_passed_over() -> None:
    """Such as a replica of an older version, beside one that has set them."""
    with pytest.raises(Unavailable):
        await DemandBook(Tenancy(0)).get(uuid4(), 2)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("192.0.2.255", True),
        ("::ffff:192.0.2.1", True),
        ("2001:db8::1", True),
        ("192.0.3.0", False),
        ("::192.0.2.1", False),
        ("2001:db9::", False),
        ("fe80::1%eth0", False),
        ("192.0.2.1:80", False),
        ("", False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, admitted: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert Demands(2, networks=networks).admits(address) is admitted
    assert Demands(2).admits(address)
