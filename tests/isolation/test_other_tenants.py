"""What belongs to one organization does not exist for a member of another: on every route and
every RPC, as the contract lists them, the reply is that for an id that nobody ever made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import Metadata

from tenon_core.errors import TenonError
from tenon_core.ids import uuid7
from tenon_rpc.status import PeerError, unpacked
from tenon_testing.system import System
from tests.conftest import Person
from tests.e2e.conftest import finished, upload
from tests.isolation.samples import OrgRoute, org_methods, org_routes, sample_message

ROUTES = org_routes()
METHODS = org_methods()
CSV = b"when,who\n2026-01-01T00:00:00Z,ada\n"


@pytest.fixture(scope="session")
def victim(new_person: Callable[[], Person]) -> Person:
    return new_person()


@pytest.fixture(scope="session")
def attacker(new_person: Callable[[], Person]) -> Person:
    return new_person()


@pytest.fixture(scope="session")
def treasure(victim: Person) -> dict[str, str]:
    """One of each thing that a request can name, in the victim's organization."""
    dataset = victim.send(
        "POST", f"{victim.org}/datasets", json={"name": "secret", "dimensions": ["who"]}
    )["id"]
    loaded = upload(victim, dataset, CSV, time_column="when")
    run = victim.send(
        "POST",
        f"{victim.org}/runs",
        json={"events": {"dataset_id": dataset}, "format": "csv"},
    )
    finished(victim, f"{victim.org}/runs/{run['id']}")
    return {
        "org_id": victim.org_id,
        "dataset_id": dataset,
        "upload_id": loaded["id"],
        "run_id": run["id"],
        "user_id": victim.user_id,
    }


def nothing() -> dict[str, str]:
    """Return ids that nobody ever made."""
    names = ("org_id", "dataset_id", "upload_id", "run_id", "user_id")
    return {name: str(uuid7()) for name in names}


def send(person: Person, route: OrgRoute, ids: Mapping[str, str]) -> httpx.Response:
    if route.path.endswith("/uploads"):
        return person.client.post(
            route.url(ids),
            params={"time_column": "when"},
            content=CSV,
            headers={"Content-Type": "text/csv"},
        )
    body = route.body(ids) if route.method in ("POST", "PATCH") else None
    return person.client.request(route.method, route.url(ids), json=body)


def told(reply: httpx.Response) -> tuple[int, dict[str, Any]]:
    """Return all that a reply says but the request's own id."""
    problem = {key: value for key, value in reply.json().items() if key != "request_id"}
    return reply.status_code, problem


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_foreign_organization_is_unknown(
    attacker: Person, treasure: dict[str, str], route: OrgRoute
) -> None:
    foreign = told(send(attacker, route, treasure))
    assert foreign[0] == 404
    assert foreign == told(send(attacker, route, nothing()))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_foreign_thing_is_unknown_in_ones_own_organization(
    attacker: Person, treasure: dict[str, str], route: OrgRoute
) -> None:
    own = {"org_id": attacker.org_id}
    foreign = send(attacker, route, {**treasure, **own})
    unknown = send(attacker, route, {**nothing(), **own})
    if unknown.is_success:
        assert not any(value in foreign.text for value in treasure.values())
    else:
        assert told(foreign) == told(unknown)


def test_nothing_of_the_victim_was_touched(victim: Person, treasure: dict[str, str]) -> None:
    """Runs after the attacks above: everything is as it was made."""
    assert len(victim.send("GET", f"{victim.org}/datasets")["items"]) == 1
    assert len(victim.send("GET", f"{victim.org}/runs")["items"]) == 1
    assert len(victim.send("GET", f"{victim.org}/members")["items"]) == 1
    run = victim.send("GET", f"{victim.org}/runs/{treasure['run_id']}")
    assert run["state"] == "succeeded"


async def call(
    channel: grpc.aio.Channel, method: Any, ids: Mapping[str, str], metadata: Metadata
) -> tuple[str, str, str] | None:
    """Call an RPC with a request full of these ids; return the refusal, or None."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    request = sample_message(GetMessageClass(method.input_type)(), ids)
    serializers = (
        lambda message: message.SerializeToString(),
        GetMessageClass(method.output_type).FromString,
    )
    try:
        if method.client_streaming:
            await channel.stream_unary(path, *serializers)(iter([request]), metadata=metadata)
        elif method.server_streaming:
            async for _ in channel.unary_stream(path, *serializers)(request, metadata=metadata):
                pass
        else:
            await channel.unary_unary(path, *serializers)(request, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return refusal(unpacked(error))
    except PeerError as error:
        return refusal(error)
    return None


def refusal(error: TenonError) -> tuple[str, str, str]:
    return error.code.name, error.reason, error.detail


def bearer(person: Person) -> Metadata:
    token = next(value for name, value in person.client.cookies.items() if "access" in name)
    return Metadata(("authorization", f"Bearer {token}"))


@pytest.mark.parametrize(
    "method", [method for _, method in METHODS], ids=lambda method: method.full_name
)
async def test_each_service_refuses_by_itself(
    whole_system: System, attacker: Person, treasure: dict[str, str], method: Any
) -> None:
    """Called directly, past the gateway and its checks."""
    channel = whole_system.channel(method.full_name.split(".")[1])
    try:
        foreign = await call(channel, method, treasure, bearer(attacker))
        unknown = await call(channel, method, nothing(), bearer(attacker))
    finally:
        await channel.close(None)
    assert foreign is not None
    assert foreign[:2] == ("NOT_FOUND", "not_found")
    assert foreign == unknown


def test_the_owner_reaches_all_of_it(victim: Person, treasure: dict[str, str]) -> None:
    """The positive control: the same requests find what they name when its owner sends them."""
    deletes_last = sorted(ROUTES, key=lambda route: route.method == "DELETE")
    missing = [
        f"{route.method} {route.path}"
        for route in deletes_last
        if send(victim, route, treasure).status_code in (401, 403, 404)
    ]
    assert missing == []


def test_the_list_of_routes_is_not_empty() -> None:
    assert len(ROUTES) > 15
    assert len(METHODS) > 15
