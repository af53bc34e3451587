"""A deadline reaches the database, and so does the going away of who set it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import ParseDict

from tenon.reports.v1.query_pb2 import Query
from tenon.reports.v1.query_service_pb2 import RunQueryRequest
from tenon.reports.v1.query_service_pb2_grpc import QueryServiceStub
from tenon_testing.proxy import Proxy
from tenon_testing.system import System
from tenon_testing.waiting import eventually
from tests.faults.rig import REQUEST_SECONDS, Rig, User

GONE_SECONDS = 2.0
ROUNDED_UP = 1.01
"""Timeouts travel with few digits."""
DATASETS = "reports.datasets"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename = 'tenon_reports_app' AND wait_event_type = 'Lock'"
)
# A policy that hides nothing and notes what the database was told of the deadline.
PROBE = """
CREATE SCHEMA probe;
CREATE TABLE probe.timeouts (relation text, milliseconds int);
CREATE FUNCTION probe.note(relation text) RETURNS bool
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    INSERT INTO probe.timeouts SELECT note.relation, setting::int FROM pg_settings
        WHERE name = 'statement_timeout';
    RETURN true;
END $$;
GRANT USAGE ON SCHEMA probe TO PUBLIC;
"""


@pytest.fixture
def admin(rig: Rig) -> Iterator[psycopg.Connection]:
    with psycopg.connect(rig.system.admin_url(), autocommit=True) as connection:
        yield connection


@contextmanager
def noting(admin: psycopg.Connection, *relations: str) -> Iterator[dict[str, int]]:
    """Note the timeouts that statements on these tables have; filled at the end, by table."""
    noted: dict[str, int] = {}
    admin.execute(PROBE)
    for relation in relations:
        admin.execute(
            f"CREATE POLICY probe ON {relation} AS RESTRICTIVE FOR SELECT"
            f" USING ((SELECT probe.note('{relation}')))"
        )
    try:
        yield noted
    finally:
        for relation in relations:
            admin.execute(f"DROP POLICY probe ON {relation}")
        rows = admin.execute("SELECT relation, min(milliseconds) FROM probe.timeouts GROUP BY 1")
        noted.update(rows.fetchall())
        admin.execute("DROP SCHEMA probe CASCADE")


async def test_deadlines_shrink_on_their_way_to_the_database(
    user: User, admin: psycopg.Connection
) -> None:
    """The gateway asks tenancy for the members, and tenancy auth for their names."""
    members = f"{user.org}/members"
    assert await user.status(members) == 200  # after this, processes know the account
    with noting(admin, "tenancy.memberships", "auth.users") as noted:
        assert await user.status(f"{members}?page_size=7") == 200
    given, asked = REQUEST_SECONDS * 1_000, noted["tenancy.memberships"]
    assert given / 2 < noted["auth.users"] < asked < given * ROUNDED_UP


def waits(admin: psycopg.Connection) -> int:
    row = admin.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


async def until_waiting(admin: psycopg.Connection, count: int, within: float) -> None:
    async def so_many() -> bool:
        return waits(admin) == count

    await eventually(so_many, within=within)


@asynccontextmanager
async def locked(system: System, relation: str) -> AsyncIterator[None]:
    """Keep every statement on a table waiting."""
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as holder:
        await holder.execute(f"LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE")
        yield
        await holder.rollback()


def query(user: User) -> dict[str, Any]:
    return {"dataset_id": user.dataset_id, "metrics": [{"name": "n", "op": "count"}]}


async def test_a_client_that_leaves_the_gateway_ends_its_statement(
    rig: Rig, user: User, admin: psycopg.Connection
) -> None:
    async with locked(rig.system, DATASETS):
        asking = asyncio.create_task(user.send("POST", f"{user.org}/queries", json=query(user)))
        await until_waiting(admin, 1, within=2.0)
        asking.cancel()
        await until_waiting(admin, 0, within=GONE_SECONDS)


async def test_a_write_is_finished_though_its_client_is_gone(
    rig: Rig, user: User, admin: psycopg.Connection
) -> None:
    dataset = {"name": "late", "dimensions": ["product"]}
    async with locked(rig.system, DATASETS):
        asking = asyncio.create_task(user.send("POST", f"{user.org}/datasets", json=dataset))
        await until_waiting(admin, 1, within=2.0)
        asking.cancel()

    async def is_there() -> bool:
        _, page = await user.send("GET", f"{user.org}/datasets")
        return "late" in {item["name"] for item in page["items"]}

    assert await eventually(is_there)


def call_of(user: User, channel: grpc.aio.Channel) -> "asyncio.Future[Any]":
    """Ask a question past the gateway, with a lot of time."""
    asked = {"dataset_id": user.dataset_id, "metrics": [{"name": "n", "op": "OP_COUNT"}]}
    request = RunQueryRequest(org_id=user.org_id, query=ParseDict(asked, Query()))
    metadata = grpc.aio.Metadata(("authorization", f"Bearer {user.access_token}"))
    call = QueryServiceStub(channel).RunQuery(request, metadata=metadata, timeout=20)
    return asyncio.ensure_future(call)


async def test_a_cancelled_call_ends_its_statement(
    rig: Rig, user: User, admin: psycopg.Connection
) -> None:
    channel = rig.system.channel("reports")
    async with locked(rig.system, DATASETS):
        call = call_of(user, channel)
        await until_waiting(admin, 1, within=2.0)
        call.cancel()
        await until_waiting(admin, 0, within=GONE_SECONDS)
    await channel.close(None)


async def test_a_call_in_flight_survives_the_age_of_its_connection(
    rig: Rig, user: User, admin: psycopg.Connection
) -> None:
    replica = rig.system.replica("reports", connection_age_seconds="1", query_slots="16")
    proxy = Proxy(replica.listen_port)
    channel = rig.system.channel("reports", at=f"127.0.0.1:{proxy.port}")
    async with locked(rig.system, DATASETS):
        old = call_of(user, channel)
        await until_waiting(admin, 1, within=2.0)

        async def connected_anew() -> bool:
            new = call_of(user, channel)
            await until_waiting(admin, 2, within=2.0)
            new.cancel()
            await until_waiting(admin, 1, within=2.0)
            return proxy.traffic.connections > 1

        await eventually(connected_anew)
        assert not old.done()
    assert (await old).rows
    await channel.close(None)
    proxy.close()
    replica.stop()
