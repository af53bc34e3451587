"""A channel to a real service, through a proxy that spoils it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import grpc
import pytest

from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_core.errors import Code, DeadlineExceeded, TenonError, Unavailable
from tenon_rpc.retries import RETRIES, SHARE
from tenon_testing.callers import PASSWORD
from tenon_testing.proxy import Proxy
from tenon_testing.system import System
from tenon_testing.waiting import eventually

CHECK_SESSIONS = "/tenon.auth.v1.SessionService/CheckSessions"
RECOVERY_SECONDS = 10.0
PING_BYTES = 9 + 8 + 22
"""A frame's head, its content, and what TLS adds. The third ping too many ends a connection."""
LATE_SECONDS = 0.25
"""How much later than its deadline a call may end."""


@pytest.fixture
def proxy(system: System) -> Iterator[Proxy]:
    proxy = Proxy(system.start("auth").listen_port)
    yield proxy
    proxy.close()


@pytest.fixture
async def channel(system: System, proxy: Proxy) -> AsyncIterator[grpc.aio.Channel]:
    channel = system.channel("auth", at=f"127.0.0.1:{proxy.port}")
    yield channel
    await channel.close(None)


async def read(channel: grpc.aio.Channel, seconds: float = 5.0) -> None:
    request = CheckSessionsRequest(ids=[str(uuid4())])
    await SessionServiceStub(channel).CheckSessions(request, timeout=seconds)


async def write(channel: grpc.aio.Channel) -> None:
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name="Ada")
    await UserServiceStub(channel).SignUp(request)


async def save_for_retries(channel: grpc.aio.Channel) -> None:
    for _ in range(round(1 / SHARE) + 1):
        await read(channel)


async def lost_on_its_way(proxy: Proxy, doing: "asyncio.Task[None]") -> None:
    """Reset the connection while the call is on its way there."""
    sent = proxy.traffic.sent

    async def on_its_way() -> bool:
        return proxy.traffic.sent > sent

    await eventually(on_its_way)
    proxy.heal()
    proxy.drop()
    await doing


async def succeeds(channel: grpc.aio.Channel) -> bool:
    try:
        await read(channel, seconds=1.0)
    except TenonError:
        return False
    return True


async def test_a_read_that_is_lost_is_tried_again(channel: grpc.aio.Channel, proxy: Proxy) -> None:
    await save_for_retries(channel)
    proxy.delay(0.5)
    await lost_on_its_way(proxy, asyncio.create_task(read(channel)))
    assert proxy.traffic.connections == 2


async def test_a_write_that_is_lost_is_not_tried_again(
    channel: grpc.aio.Channel, proxy: Proxy
) -> None:
    await save_for_retries(channel)
    proxy.delay(0.5)
    with pytest.raises(Unavailable):
        await lost_on_its_way(proxy, asyncio.create_task(write(channel)))


async def test_second_tries_stay_few(channel: grpc.aio.Channel, proxy: Proxy) -> None:
    await save_for_retries(channel)
    retried = RETRIES.labels(CHECK_SESSIONS)._value
    before, calls = retried.get(), 100
    proxy.reset()
    for _ in range(calls):
        with pytest.raises(Unavailable):
            await read(channel)
    assert 0 < retried.get() - before <= SHARE * calls + 1


async def test_a_connection_gone_dead_is_replaced(channel: grpc.aio.Channel, proxy: Proxy) -> None:
    await read(channel)
    proxy.black_hole()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await read(channel, seconds=1.0)
    assert time.monotonic() - started < 1.0 + LATE_SECONDS
    proxy.heal()
    assert await eventually(lambda: succeeds(channel), within=RECOVERY_SECONDS)


@pytest.mark.long
async def test_an_idle_connection_is_not_ended_for_its_pings(
    channel: grpc.aio.Channel, proxy: Proxy
) -> None:
    """The server takes the pings of a client that has nothing else to say."""
    await read(channel)
    sent = proxy.traffic.sent

    async def pinged_often() -> bool:
        return proxy.traffic.sent >= sent + 4 * PING_BYTES

    await eventually(pinged_often, within=40.0)
    await read(channel)
    assert proxy.traffic.connections == 1


async def test_calls_go_to_each_replica_and_on_without_one(system: System, proxy: Proxy) -> None:
    other = Proxy(proxy.target)
    channel = system.channel("auth", at=f"ipv4:127.0.0.1:{proxy.port},127.0.0.1:{other.port}")

    async def both_are_used() -> bool:
        await read(channel)
        return proxy.traffic.received > 10_000 and other.traffic.received > 10_000

    assert await eventually(both_are_used)
    other.reset()
    for _ in range(20):
        assert await eventually(lambda: succeeds(channel), within=1.0)
    await channel.close(None)
    other.close()


async def test_a_refusal_is_told_as_it_is(channel: grpc.aio.Channel) -> None:
    with pytest.raises(TenonError) as refused:
        await SessionServiceStub(channel).CheckSessions(
            CheckSessionsRequest(ids=[str(uuid4())] * 1_001)
        )
    assert refused.value.code is Code.INVALID_ARGUMENT
