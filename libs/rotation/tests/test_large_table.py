"""A large table's key is replaced under load; its worker is killed on the way."""

import random
import time
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from libs.crypto.tests.probe import CUSTOMERS, SCHEMA
from libs.rotation.tests.rotating import Rotating
from libs.rotation.tests.test_online import populated
from libs.rotation.tests.traffic import Traffic
from tenon_core.ids import uuid7
from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_rotation import Level, Rotation, State
from tenon_testing.waiting import eventually

ROWS, ROWS_LONG = 2_000, 1_000_000


@pytest.fixture
async def traffic(rotating: Rotating, pytestconfig: pytest.Config) -> Traffic:
    traffic = await populated(rotating, 20, 1, random.Random(1))  # noqa: S311 # no secret
    await fill(rotating, traffic.org_id, ROWS_LONG if pytestconfig.getoption("--long") else ROWS)
    return traffic


async def fill(rotating: Rotating, org_id: UUID, count: int) -> None:
    """Add customers faster than anybody could sign them up."""
    keys = DataKeys(SCHEMA, rotating.keyring)
    async with rotating.probe.database.tenant(org_id) as tx:
        key = await keys.current(tx, OwnerKind.ORGANIZATION)

    def rows() -> Iterator[tuple[UUID, UUID, bytes, bytes]]:
        for number in range(count):
            row = {"org_id": org_id, "id": uuid7()}
            email, name = (
                key.seal(CUSTOMERS.cell(row, column), f"{column} {number}".encode())
                for column in CUSTOMERS.columns
            )
            yield org_id, row["id"], email, name

    with rotating.probe.admin() as admin, admin.cursor() as cursor:
        copying = "COPY probe.customers (org_id, id, email, name) FROM STDIN (FORMAT binary)"
        with cursor.copy(copying) as copy:
            copy.set_types(["uuid", "uuid", "bytea", "bytea"])
            for one in rows():
                copy.write_row(one)
        admin.execute("ANALYZE probe.customers")


async def until_share(rotating: Rotating, org_id: UUID, share: float) -> Rotation:
    async def reached() -> Rotation | None:
        last = await rotating.last(Level.DATA, org_id)
        there = last.done >= last.total * share or last.state is not State.RUNNING
        return last if there else None

    found = await eventually(reached, within=600)
    assert found is not None
    return found


@pytest.mark.timeout(1_500)
async def test_a_large_tables_key_is_replaced_under_load(traffic: Traffic) -> None:
    rotating, org_id = traffic.rotating, traffic.org_id
    async with traffic.running():
        await eventually(lambda: enough(traffic), within=60)
        quiet, began = traffic.p99(), time.monotonic()
        await rotating.start(Level.DATA, org_id)
        async with rotating.worker_process() as process:
            killed = await until_share(rotating, org_id, 0.3)
            process.kill()
            await process.wait()
        assert killed.state is State.RUNNING
        async with rotating.worker_process():
            shown = [(await until_share(rotating, org_id, share)).done for share in (0.5, 0.8)]
            rotation = await rotating.finished(Level.DATA, org_id, within=900)
        seconds = time.monotonic() - began
        busy = traffic.p99()
    print(  # noqa: T201 # the figure
        f"{rotation.total} rows in {seconds:.1f} s: {rotation.total / seconds:.0f} rows/s;"
        f" progress {[killed.done, *shown]}; {traffic.reads} reads, {traffic.writes} writes,"
        f" {len(traffic.failures)} failed; p99 {quiet * 1000:.1f} ms before,"
        f" {busy * 1000:.1f} ms meanwhile"
    )
    assert traffic.failures == []
    assert (rotation.state, rotation.left, rotation.done) == (State.SUCCEEDED, 0, rotation.total)
    with rotating.probe.admin() as admin:
        assert count(admin, org_id) == 1


async def enough(traffic: Traffic) -> bool:
    return len(traffic.seconds) >= 200


def count(admin: "psycopg.Connection[tuple[object, ...]]", org_id: UUID) -> object:
    query = "SELECT count(*) FROM probe.org_data_keys WHERE org_id = %s"
    (counted,) = admin.execute(query, [org_id]).fetchone() or (0,)
    return counted
