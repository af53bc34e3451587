import asyncio
import time

import grpc
import pytest
from grpc.aio import Metadata

from tenon.auth.v1.session_service_pb2 import GetSessionRequest, RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers
from tenon_testing.system import System


async def refresh(auth: grpc.aio.Channel, token: str) -> str:
    reply = await SessionServiceStub(auth).RefreshSession(
        RefreshSessionRequest(refresh_token=token)
    )
    successor: str = reply.tokens.refresh_token
    return successor


async def test_many_tabs_at_once_get_one_successor(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    token = signed_up.tokens.refresh_token
    successors = await asyncio.gather(*(refresh(auth, token) for _ in range(20)))
    assert len(set(successors)) == 1
    assert successors[0] != token


async def test_an_old_generation_ends_the_session_at_once(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    first = signed_up.tokens.refresh_token
    third = await refresh(auth, await refresh(auth, first))
    for replayed_or_newest in (first, third):
        with pytest.raises(PeerError) as refused:
            await refresh(auth, replayed_or_newest)
        assert refused.value.reason == "session_ended"
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    assert refused.value.reason == "session_ended"


@pytest.mark.parametrize("token", ["", "x", "A" * 91, "ä", "A" * 5000])
async def test_refuses_what_is_no_token(auth: grpc.aio.Channel, token: str) -> None:
    with pytest.raises(PeerError) as refused:
        await refresh(auth, token)
    assert refused.value.reason == "session_ended"


async def test_a_forged_generation_ends_nothing(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    token = signed_up.tokens.refresh_token
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    with pytest.raises(PeerError):
        await refresh(auth, forged)
    assert await refresh(auth, token)


FAMILIES = 1_000
AT_ONCE = 4
"""Families; each has twenty tabs."""
TABS = 20


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_families_of_twenty_tabs_have_one_successor_each(system: System) -> None:
    """B2: and nobody is logged out; a replay of what is older ends the family at once.

    Of the service in a process of its own, which the tabs do not keep from its work.
    """
    people = Callers(system)
    auth = system.channel("auth")
    slots = asyncio.Semaphore(AT_ONCE)

    async def family() -> tuple[int, float]:
        """Return how many successors there were, and how long the thief's end took."""
        async with slots:
            first = (await people.user()).refresh_token
            successors = set(await asyncio.gather(*(refresh(auth, first) for _ in range(TABS))))
            newest = await refresh(auth, next(iter(successors)))
            replayed_at = time.monotonic()
            for token in (first, newest):
                with pytest.raises(PeerError) as refused:
                    await refresh(auth, token)
                assert refused.value.reason == "session_ended"
            return len(successors), time.monotonic() - replayed_at

    seen = await asyncio.gather(*(family() for _ in range(FAMILIES)))
    await people.close()
    await auth.close(None)
    slowest = max(seconds for _, seconds in seen)
    print(f"{FAMILIES} families, {TABS} tabs, slowest end {slowest:.2f} s")  # noqa: T201 # the figure
    assert {count for count, _ in seen} == {1}
    assert slowest <= 1.0
