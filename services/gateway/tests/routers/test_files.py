"""Signed links of the file driver."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from services.gateway.tests.browsing import Gateway, Serve, problem
from tenon_gateway import connections
from tenon_storage.links import Grant, sign_link
from tenon_testing.callers import Callers
from tenon_testing.system import System

KEY = "orgs/a/runs/b/file.csv"
CONTENT = b"id,time\n" * 100_000
LARGE_BYTES = 64 * 1024 * 1024


@pytest.fixture
def stored(system: System) -> Iterator[Path]:
    path = system.directory / "files" / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    yield path
    path.unlink()


@pytest.fixture
def link_key(system: System) -> bytes:
    return (system.directory / "link.key").read_bytes()


@pytest.mark.usefixtures("stored")
async def test_a_link_gives_the_file_under_its_name(gateway: Gateway, link_key: bytes) -> None:
    token = sign_link(Grant(KEY, "Grüße.csv"), timedelta(minutes=1), link_key)
    response = await gateway.client.get(f"/api/files/{token}")
    assert await response.read() == CONTENT
    assert response.headers["content-disposition"].startswith("attachment;")
    assert "Gr%C3%BC%C3%9Fe.csv" in response.headers["content-disposition"]
    assert response.headers["content-length"] == str(len(CONTENT))
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_download_can_be_resumed(gateway: Gateway, stored: Path, link_key: bytes) -> None:
    token = sign_link(Grant(KEY, stored.name), timedelta(minutes=1), link_key)
    response = await gateway.client.get(f"/api/files/{token}", headers={"range": "bytes=8-15"})
    assert response.status == 206
    assert await response.read() == CONTENT[8:16]


@pytest.mark.usefixtures("stored")
async def test_an_old_link_is_refused(gateway: Gateway, link_key: bytes) -> None:
    token = sign_link(Grant(KEY, "a.csv"), timedelta(seconds=-1), link_key)
    response = await gateway.client.get(f"/api/files/{token}")
    assert (response.status, (await problem(response))["code"]) == (404, "link_refused")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("change", ["{0}x", "x{0}", "{1}", "a.b", "%2e%2e%2fetc", "."])
async def test_a_forged_link_is_refused(gateway: Gateway, link_key: bytes, change: str) -> None:
    token = sign_link(Grant(KEY, "a.csv"), timedelta(minutes=1), link_key)
    forged = sign_link(Grant(KEY, "a.csv"), timedelta(minutes=1), b"x" * 32)
    response = await gateway.client.get(f"/api/files/{change.format(token, forged)}")
    assert response.status == 404
    await problem(response)


async def test_a_client_that_does_not_read_is_let_go(
    gateway: Gateway, stored: Path, link_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.2)
    with stored.open("wb") as file:
        file.truncate(LARGE_BYTES)
    token = sign_link(Grant(KEY, "a.csv"), timedelta(minutes=1), link_key)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    writer.write(f"GET /api/files/{token} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    await asyncio.sleep(1)  # not reading is the one thing that only takes time
    heard = 0
    with suppress(ConnectionError):
        while piece := await reader.read(1024 * 1024):
            heard += len(piece)
    assert heard < LARGE_BYTES
    writer.close()


async def test_a_deleted_file_is_not_there(gateway: Gateway, link_key: bytes) -> None:
    token = sign_link(Grant("orgs/a/gone.csv", "a.csv"), timedelta(minutes=1), link_key)
    response = await gateway.client.get(f"/api/files/{token}")
    assert (response.status, (await problem(response))["code"]) == (404, "object_not_found")


async def test_another_driver_serves_its_own_links(
    serve: Serve,
    callers: Callers,  # noqa: ARG001 # auth and tenancy run
    link_key: bytes,
) -> None:
    token = sign_link(Grant(KEY, "a.csv"), timedelta(minutes=1), link_key)
    async with serve(storage_directory=None, link_key_file=None) as gateway:
        assert (await gateway.client.get(f"/api/files/{token}")).status == 404
