"""Queries of one account do not keep another from reports."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from grpc.aio import Metadata

from services.reports.tests.reports_client import ReportsClient, event, plain
from tenon.reports.v1.dataset_service_pb2 import ListDatasetsRequest
from tenon.reports.v1.query_pb2 import Query
from tenon.reports.v1.query_service_pb2 import RunQueryRequest, RunQueryResponse
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers
from tenon_testing.system import System
from tenon_testing.waiting import eventually

SOON = 3.0
"""Well below the time for which a request waits for a slot or a connection."""
ORGANIZATIONS = 10
ENDS = {("query_timeout", ""), ("limit_exceeded", "queries_per_account")}
"""Of queries that stand still, and of those that found no slot."""
QUERIES = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def organizations_of_one(
    reports: grpc.aio.Channel, callers: Callers, number: int
) -> list[ReportsClient]:
    first = await callers.tenant()
    others = [await callers.organization(first.owner) for _ in range(number - 1)]
    return [ReportsClient(reports, tenant) for tenant in (first, *others)]


async def new_dataset(client: ReportsClient, time: str) -> str:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", time=time))
    return dataset.id


async def query(
    client: ReportsClient,
    dataset_id: str,
    seconds: float,
    *,
    since: str = "",
    metadata: Metadata | None = None,
) -> RunQueryResponse:
    asked: dict[str, Any] = {"dataset_id": dataset_id}
    asked["metrics"] = [{"name": "n", "op": "OP_COUNT"}]
    if since:
        asked["time_range"] = {"start": since}
    reply: RunQueryResponse = await client.queries.RunQuery(
        RunQueryRequest(org_id=client.org_id, query=ParseDict(asked, Query())),
        metadata=metadata or client.tenant.metadata,
        timeout=seconds,
    )
    return reply


async def machine_of(client: ReportsClient, callers: Callers) -> Metadata:
    """Return what a call carries so that it is made by an API key of the organization."""
    token = await callers.exchange(await callers.api_key(client.tenant))
    return Metadata(("authorization", f"Bearer {token}"))


@asynccontextmanager
async def standing_still(system: System, year: int) -> AsyncIterator[None]:
    """Keep queries of the year's events from their end."""
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as holder:
        await holder.execute(f"LOCK TABLE reports.events_{year} IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting_queries(admin: psycopg.AsyncConnection) -> int:
    row = await (await admin.execute(QUERIES)).fetchone()
    assert row
    return int(row[0])


async def refusals(asked: Iterable[asyncio.Task[RunQueryResponse]]) -> set[tuple[str, str]]:
    """Return the codes and limits by which the queries were refused."""
    ends = await asyncio.gather(*asked, return_exceptions=True)
    return {(end.reason, end.limit) for end in ends if isinstance(end, PeerError)}


async def test_long_queries_of_an_account_leave_reports_to_others(
    reports: grpc.aio.Channel,
    callers: Callers,
    stranger: ReportsClient,
    system: System,
    admin: psycopg.AsyncConnection,
) -> None:
    hostile = await organizations_of_one(reports, callers, ORGANIZATIONS)
    datasets = [await new_dataset(client, "1952-01-01") for client in hostile]
    own = await new_dataset(stranger, "1953-01-01")
    async with standing_still(system, 1952):
        asked = [
            asyncio.create_task(query(client, dataset_id, 6.0))
            for client, dataset_id in zip(hostile, datasets, strict=True)
        ]
        await eventually(lambda: waiting_queries(admin))
        async with asyncio.timeout(SOON):
            listing = ListDatasetsRequest(org_id=stranger.org_id)
            await stranger.datasets.ListDatasets(listing, metadata=stranger.tenant.metadata)
            answer = await query(stranger, own, SOON, since="1953-01-01T00:00:00Z")
        assert plain(answer.rows[0].values[0]) == 1
        assert await waiting_queries(admin) < ORGANIZATIONS // 2
        assert await refusals(asked) == ENDS


async def test_an_api_key_uses_the_share_of_its_organization_s_account(
    reports: grpc.aio.Channel, callers: Callers, system: System, admin: psycopg.AsyncConnection
) -> None:
    hostile = await organizations_of_one(reports, callers, ORGANIZATIONS)
    datasets = [await new_dataset(client, "1954-01-01") for client in hostile]
    machines = [await machine_of(client, callers) for client in hostile]
    async with standing_still(system, 1954):
        asked = [
            asyncio.create_task(query(client, dataset_id, 6.0, metadata=metadata))
            for client, dataset_id, metadata in zip(hostile, datasets, machines, strict=True)
        ]
        await eventually(lambda: waiting_queries(admin))
        assert await refusals(asked) == ENDS


async def test_a_long_text_to_search_for_is_refused(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", dimensions={"color": "x" * 300}))
    longest = {"field": "color", "op": "OP_CONTAINS", "value": "x" * 256}
    assert await client.rows(dataset.id, filters=[longest]) == [[1.0]]
    with pytest.raises(PeerError) as refused:
        await client.query(dataset.id, filters=[{**longest, "value": "x" * 257}])
    assert [field.pointer for field in refused.value.fields] == ["/filters/0/value"]


async def test_a_search_in_long_texts_takes_linear_time(client: ReportsClient) -> None:
    """LIKE compares the whole pattern at each place of the text: 15 s for these."""
    dataset = await client.create_dataset()
    texts = [event(str(number), dimensions={"color": "a" * 65_000}) for number in range(50)]
    await client.ingest(dataset.id, *texts)
    wanted = {"field": "color", "op": "OP_CONTAINS", "value": "a" * 255 + "b"}
    async with asyncio.timeout(SOON):
        assert await client.rows(dataset.id, filters=[wanted] * 10) == [[0.0]]
