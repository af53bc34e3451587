"""A full disk is reported as such, with advice to try again later."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.gateway.tests.browsing import Gateway, bearer, problem
from tenon_testing.callers import Callers

FULL = "name of an organization that does not fit on the disk"


@pytest.fixture
async def _full_disk(
    admin: psycopg.AsyncConnection,
    callers: Callers,  # noqa: ARG001 # made the schema
) -> AsyncIterator[None]:
    """Let PostgreSQL fail as it does when it cannot extend a table's file."""
    await admin.execute(f"""
        create function tenancy.fail_as_full() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100';
        end $$;
        create trigger full_disk before insert on tenancy.organizations
        for each row when (new.name = '{FULL}') execute function tenancy.fail_as_full()
    """)
    yield
    await admin.execute("drop function tenancy.fail_as_full cascade")


@pytest.mark.usefixtures("_full_disk")
async def test_a_full_disk_of_the_database_is_503(gateway: Gateway, callers: Callers) -> None:
    headers = bearer(await callers.user())
    response = await gateway.client.post("/api/orgs", json={"name": FULL}, headers=headers)
    assert (response.status, (await problem(response))["code"]) == (503, "storage_full")
    assert response.headers["retry-after"] == "60"
    response = await gateway.client.post("/api/orgs", json={"name": "Acme"}, headers=headers)
    assert response.status == 201
