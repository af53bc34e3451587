"""Bodies in flight share a budget of the process: beyond it 503, and the others are served."""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest

from services.gateway.tests.browsing import bearer, client_of
from services.gateway.tests.sockets import KIB, problem_in
from services.gateway.tests.test_hostile_bodies import forget_peak, peak_kib
from tenon_core.limits import Limit, Per
from tenon_gateway.errors import GatewayBusy
from tenon_gateway.pipeline.budgets import UNCOUNTED_BYTES, ByteBudget, Hold
from tenon_testing.callers import Callers, Tenant
from tenon_testing.service_process import ServiceProcess
from tenon_testing.system import System
from tenon_testing.waiting import eventually

MIB = KIB * KIB
BODY_BYTES = 2 * MIB
BUDGET_BYTES = 16 * MIB
CONNECTIONS = 80
MEMORY_KIB = 64 * KIB
LENGTH = b"content-length: "

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are in /proc")


@contextmanager
def replica(system: System, **settings: str) -> Iterator[ServiceProcess]:
    process = system.replica("gateway", **settings)
    try:
        yield process
    finally:
        process.stop()


async def begin(port: int, tenant: Tenant) -> tuple[StreamReader, StreamWriter]:
    """Send all of a large body but its last byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"POST /api/orgs/{tenant.org_id}/datasets/x/events HTTP/1.1",
        "Host: x",
        f"Authorization: {bearer(tenant.owner)['authorization']}",
        "Content-Type: application/json",
        f"Content-Length: {BODY_BYTES}",
    ]
    writer.write("\r\n".join([*lines, "", "{"]).encode() + b" " * (BODY_BYTES - 2))
    return reader, writer


async def read_reply(reader: StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(LENGTH)[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


@asynccontextmanager
async def flood(
    port: int, tenants: Sequence[Tenant]
) -> AsyncIterator[tuple[list[bytes], list[bytes]]]:
    """Hold many large bodies open; yields the replies of the refused ones, and then, in the second
    list, at the end those of the others.
    """
    open_ones = [await begin(port, tenants[n % len(tenants)]) for n in range(CONNECTIONS)]
    replies = [asyncio.ensure_future(read_reply(reader)) for reader, _ in open_ones]
    held = BUDGET_BYTES // BODY_BYTES

    async def are_refused() -> bool:
        return sum(reply.done() for reply in replies) >= CONNECTIONS - held

    try:
        await eventually(are_refused, within=30)
        others: list[bytes] = []
        yield [reply.result() for reply in replies if reply.done()], others
        waiting = [n for n, reply in enumerate(replies) if not reply.done()]
        for n in waiting:
            open_ones[n][1].write(b"]")
        others += [await replies[n] for n in waiting]
    finally:
        for _, writer in open_ones:
            writer.close()


@linux_only
async def test_large_bodies_on_many_connections_are_bounded_and_others_served(
    system: System, callers: Callers
) -> None:
    tenants = [await callers.tenant() for _ in range(8)]
    limits = {"request_bytes_in_flight": str(BUDGET_BYTES)}
    with replica(system, **limits) as process:
        forget_peak(process.pid)
        before = peak_kib(process.pid)
        async with (
            flood(process.listen_port, tenants) as (refused, others),
            client_of(f"http://127.0.0.1:{process.listen_port}") as client,
        ):
            login = await client.post("/api/auth/login", json={"email": "x", "password": "x"})
            assert login.status == 401
        assert peak_kib(process.pid) - before <= MEMORY_KIB
    for reply in refused:
        document = problem_in(reply)
        assert (document["status"], document["code"]) == (503, "gateway_busy")
        assert document["limit"] == "request_bytes_in_flight"
        assert b"\r\nretry-after: 1\r\n" in reply
    assert [problem_in(reply)["code"] for reply in others] == ["invalid_argument"] * len(others)
    assert len(others) == BUDGET_BYTES // BODY_BYTES


@linux_only
async def test_the_control_without_a_budget_takes_the_memory(
    system: System, callers: Callers
) -> None:
    tenant = await callers.tenant()
    limits = {"request_bytes_in_flight": str(1024 * MIB)}
    with replica(system, **limits) as process:
        forget_peak(process.pid)
        before = peak_kib(process.pid)
        open_ones = [await begin(process.listen_port, tenant) for _ in range(CONNECTIONS)]

        async def is_over() -> bool:
            return peak_kib(process.pid) - before > MEMORY_KIB

        await eventually(is_over, within=30)
        for _, writer in open_ones:
            writer.close()


LIMIT = Limit("bytes", "the bytes", Per.PROCESS, error=GatewayBusy)


def test_one_client_gets_a_quarter() -> None:
    budget = ByteBudget(LIMIT, 4 * MIB)
    budget.take("a", MIB)
    with pytest.raises(GatewayBusy):
        budget.take("a", 1)
    for client in "bcd":
        budget.take(client, MIB)
    with pytest.raises(GatewayBusy):
        budget.take("e", 1)
    budget.give_back("a", MIB)
    budget.take("e", MIB)


def test_a_single_body_may_take_more_than_a_quarter() -> None:
    budget = ByteBudget(LIMIT, 4 * MIB)
    budget.take("a", 3 * MIB)
    with pytest.raises(GatewayBusy):
        budget.take("a", 1)
    budget.take("b", MIB)


def test_a_hold_counts_a_growing_body_once_and_ends_with_the_request() -> None:
    budget = ByteBudget(LIMIT, 4 * MIB)
    hold = Hold(budget)
    for size in (UNCOUNTED_BYTES, MIB, 2 * MIB, 4 * MIB):
        hold.grow_to("a", size)
    with pytest.raises(GatewayBusy):
        budget.take("b", 1)
    hold.release()
    hold.release()
    budget.take("b", 4 * MIB)
