"""Silent endpoints beside an endpoint that answers: each account has its share of the slots."""

import time
from statistics import median
from uuid import UUID

import pytest

from services.tenancy.tests.audit_streams.conftest import Streams
from services.tenancy.tests.audit_streams.receiver import Receiver
from tenon.tenancy.v1.audit_stream_pb2 import AuditStream
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_tenancy.audit_streams.tasks import DELIVER
from tenon_testing.callers import Callers, Tenant
from tenon_testing.waiting import eventually

RUNNING = (
    "SELECT count(*) FROM tenancy.jobs WHERE state = 'running' AND type = %s AND org_id = ANY (%s)"
)
TRIES = 10


async def organizations(streams: Streams, owner: Tenant, count: int) -> list[Streams]:
    """Make organizations that all belong to one account."""
    stub = OrganizationServiceStub(streams.channel)
    made = []
    for _ in range(count):
        request = CreateOrganizationRequest(name="Acme")
        reply = await stub.CreateOrganization(request, metadata=owner.metadata)
        tenant = Tenant(UUID(reply.organization.id), owner.owner)
        made.append(Streams(streams.channel, tenant, streams.backbone, streams.admin))
    return made


async def hang(receiver: Receiver, others: list[Streams]) -> None:
    """Send the logs of organizations to endpoints that never answer."""
    for other in others:
        await other.create(webhook={"url": receiver.url(f"/hang/{other.org_id}")})
        await other.append(1)


async def test_an_account_has_two_slots_whatever_number_of_organizations_it_has(
    streams: Streams, receiver: Receiver, callers: Callers
) -> None:
    others = await organizations(streams, await callers.tenant(), 6)
    await hang(receiver, others)
    org_ids, running = [other.org_id for other in others], []

    async def four_were_tried() -> bool:
        found = await streams.admin.execute(RUNNING, [DELIVER, org_ids])
        running.append((await found.fetchone() or (0,))[0])
        return len({one.path for one in receiver.received}) >= 4

    await eventually(four_were_tried, within=60)
    assert max(running) == 2


async def delay(streams: Streams, receiver: Receiver) -> float:
    """Return how many seconds a line takes to the endpoint that answers."""
    await streams.append(1)
    began, head = time.perf_counter(), await streams.head()

    async def is_there() -> bool:
        return head in await receiver.positions("/log")()

    await eventually(is_there, within=120)
    return time.perf_counter() - began


async def settled(streams: Streams, stream: AuditStream) -> None:
    async def is_so() -> bool:
        return (await streams.get(stream)).position > 0

    await eventually(is_so, within=60)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_forty_silent_organizations_of_one_account_delay_others_by_half_at_most(
    streams: Streams, receiver: Receiver, callers: Callers
) -> None:
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await settled(streams, made)
    alone = [await delay(streams, receiver) for _ in range(TRIES)]
    await hang(receiver, await organizations(streams, await callers.tenant(), 40))
    beside = [await delay(streams, receiver) for _ in range(TRIES)]
    print(f"alone {median(alone):.2f} s, beside {median(beside):.2f} s")  # noqa: T201 # the figure
    assert median(beside) <= 1.5 * median(alone)
