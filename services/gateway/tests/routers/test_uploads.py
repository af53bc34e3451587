"""CSV in and out through the gateway, with reports and its worker behind it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from services.gateway.tests.browsing import Gateway, Join, Serve, problem
from tenon_policy.policies import Role
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

CSV = b"id,at,carrier,distance\n1,2026-01-01T00:00:00Z,AA,100\n2,2026-01-02T00:00:00Z,B6,nonsense\n"
QUERY = {"time_column": "at", "id_column": "id"}
DATASET = {"name": "Flights", "dimensions": ["carrier"], "measures": ["distance"]}
FINISHED = ("succeeded", "failed")
MIB = 1024 * 1024


class Place(NamedTuple):
    """A dataset of a tenant, as paths."""

    tenant: Tenant
    org: str
    dataset: str

    @property
    def uploads(self) -> str:
        return f"{self.org}/datasets/{self.dataset}/uploads"


@pytest.fixture
async def place(gateway: Gateway, callers: Callers, system: System) -> Place:
    system.start("reports")
    tenant = await callers.tenant()
    org = f"/api/orgs/{tenant.org_id}"
    response = await gateway.client.post(
        f"{org}/datasets", json=DATASET, headers=gateway.cookies(tenant.owner)
    )
    assert response.status == 201
    return Place(tenant, org, (await response.json())["id"])


def headers(gateway: Gateway, place: Place, **more: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {**gateway.cookies(place.tenant.owner), "content-type": "text/csv", **named}


async def upload(
    gateway: Gateway, place: Place, body: Any, **more: str
) -> tuple[int, dict[str, Any]]:
    response = await gateway.client.post(
        place.uploads, params=QUERY, data=body, headers=headers(gateway, place, **more)
    )
    if response.status != 202:
        return response.status, await problem(response)
    return response.status, await response.json()


async def finished(gateway: Gateway, place: Place, path: str) -> dict[str, Any]:
    async def state() -> dict[str, Any] | None:
        response = await gateway.client.get(
            f"{place.org}/{path}", headers=gateway.cookies(place.tenant.owner)
        )
        reply: dict[str, Any] = await response.json()
        return reply if reply["state"] in FINISHED else None

    reply = await eventually(state, within=30)
    assert reply is not None
    return reply


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (CSV, {}),
        (gzip.compress(CSV), {}),
        (gzip.compress(CSV), {"content_encoding": "gzip"}),
        (gzip.compress(CSV), {"content_type": "application/gzip"}),
    ],
    ids=["plain", "gzip by its first bytes", "gzip as encoding", "gzip as type"],
)
async def test_a_file_is_loaded_and_tells_what_it_rejected(
    gateway: Gateway, place: Place, system: System, body: bytes, more: dict[str, str]
) -> None:
    system.start("reports", "worker")
    status, reply = await upload(gateway, place, body, **more)
    assert (status, reply["state"], reply["size_bytes"]) == (202, "queued", len(body))
    done = await finished(gateway, place, f"uploads/{reply['id']}")
    assert (done["state"], done["accepted"], done["rejected"]) == ("succeeded", 1, 1)
    response = await gateway.client.get(
        f"{place.org}/uploads/{reply['id']}/rejected", headers=headers(gateway, place)
    )
    assert response.content_type == "text/csv"
    rows = (await response.text()).splitlines()
    assert rows[0] == "line,reason,row"
    assert len(rows) == 2


async def test_a_large_file_streams_through(gateway: Gateway, place: Place) -> None:
    async def rows() -> AsyncIterator[bytes]:
        yield CSV
        for number in range(64):
            yield b"".join(b"%d-%d,2026-01-01T00:00:00Z,AA,1\n" % (number, n) for n in range(3000))

    status, reply = await upload(gateway, place, rows())
    assert status == 202
    assert reply["size_bytes"] > 5 * MIB


async def test_a_file_of_known_or_unknown_length_may_be_too_large(
    serve: Serve, place: Place
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield CSV * 100

    async with serve(max_upload_bytes=MIB // 4) as small:
        for body in (BytesIO(CSV * 6400), pieces()):
            status, told = await upload(small, place, body)
            assert (status, told["code"]) == (413, "upload_too_large")


async def test_a_file_that_stops_coming_is_given_up(serve: Serve, place: Place) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield CSV
        await asyncio.Event().wait()

    async with serve(body_seconds=0.3) as gateway:
        status, told = await upload(gateway, place, stalled())
        assert (status, told["code"]) == (408, "body_timeout")


@pytest.mark.parametrize(
    "more",
    [{"content_type": "application/json"}, {"content_encoding": "br"}, {"content_type": ""}],
    ids=str,
)
async def test_only_csv_is_taken(gateway: Gateway, place: Place, more: dict[str, str]) -> None:
    status, told = await upload(gateway, place, CSV, **more)
    assert (status, told["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("name", ["gzip", "dataset_id", "org_id", "colour"])
async def test_an_unknown_parameter_is_named(gateway: Gateway, place: Place, name: str) -> None:
    response = await gateway.client.post(
        place.uploads, params={**QUERY, name: "x"}, data=CSV, headers=headers(gateway, place)
    )
    assert response.status == 422
    assert (await problem(response))["errors"][0]["pointer"] == f"/{name}"


async def test_an_unknown_dataset_is_told(gateway: Gateway, place: Place) -> None:
    status, told = await upload(gateway, place._replace(dataset=str(uuid4())), CSV)
    assert (status, told["code"]) == (404, "dataset_not_found")


async def test_an_unknown_upload_has_no_rejected_rows(gateway: Gateway, place: Place) -> None:
    response = await gateway.client.get(
        f"{place.org}/uploads/{uuid4()}/rejected", headers=headers(gateway, place)
    )
    assert (response.status, (await problem(response))["code"]) == (404, "upload_not_found")


async def test_a_viewer_uploads_nothing(gateway: Gateway, place: Place, join: Join) -> None:
    viewer = await join(place.tenant, Role.VIEWER)
    response = await gateway.client.post(
        place.uploads,
        data=CSV,
        headers={**gateway.cookies(viewer), "content-type": "text/csv"},
    )
    assert (response.status, (await problem(response))["code"]) == (403, "role_too_low")


async def test_a_runs_file_is_downloaded_by_its_stable_link(
    gateway: Gateway, place: Place, system: System
) -> None:
    system.start("reports", "worker")
    _, reply = await upload(gateway, place, CSV)
    await finished(gateway, place, f"uploads/{reply['id']}")
    run = {"events": {"dataset_id": place.dataset}, "format": "csv"}
    own = gateway.cookies(place.tenant.owner)
    started = await gateway.client.post(f"{place.org}/runs", json=run, headers=own)
    assert started.status == 202
    path = f"runs/{(await started.json())['id']}"
    assert (await finished(gateway, place, path))["state"] == "succeeded"
    response = await gateway.client.get(
        f"{place.org}/{path}/file", headers=own, allow_redirects=False
    )
    assert response.status == 302
    link = response.headers["location"].removeprefix(system.url)
    file = await gateway.client.get(link)
    assert await file.text() == "id,time,carrier,distance\n1,2026-01-01T00:00:00Z,AA,100\n"
