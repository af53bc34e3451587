from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import PARAMETER, Route, compile_routes
from tenon_gateway.transcoding.table import AmbiguousRoutes, MethodNotAllowed, RouteTable

ROUTES = compile_routes(load_services())
TABLE = RouteTable(ROUTES)


@dataclass(frozen=True)
class Place:
    method: str
    path: str


PLACES = [
    Place("GET", "/api/orgs/{org_id}"),
    Place("POST", "/api/orgs/{org_id}:leave"),
    Place("GET", "/api/orgs/{org_id}/runs/{run_id}"),
    Place("DELETE", "/api/orgs/{org_id}/runs/{run_id}"),
    Place("POST", "/api/orgs/{org_id}/runs/{run_id}:cancel"),
    Place("POST", "/api/invitations:accept"),
    Place("GET", "/.well-known/jwks.json"),
]


def _match(method: str, path: str) -> object:
    return RouteTable(PLACES).match(method, path)


@pytest.mark.parametrize(
    ("method", "path", "place", "params"),
    [
        ("GET", "/api/orgs/o", 0, {"org_id": "o"}),
        ("POST", "/api/orgs/o:leave", 1, {"org_id": "o"}),
        ("GET", "/api/orgs/o/runs/r", 2, {"org_id": "o", "run_id": "r"}),
        ("DELETE", "/api/orgs/o/runs/r", 3, {"org_id": "o", "run_id": "r"}),
        ("POST", "/api/orgs/o/runs/r:cancel", 4, {"org_id": "o", "run_id": "r"}),
        ("POST", "/api/invitations:accept", 5, {}),
        ("GET", "/.well-known/jwks.json", 6, {}),
        ("GET", "/api/orgs/a%2Fb%20%C3%A9", 0, {"org_id": "a/b é"}),
        ("GET", "/api/orgs/cancel", 0, {"org_id": "cancel"}),
        ("GET", "/api/orgs/o/runs/r%3Acancel", 2, {"org_id": "o", "run_id": "r:cancel"}),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, place: int, params: dict[str, str]) -> None:
    assert _match(method, path) == (PLACES[place], params)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/orgs",
        "/api/orgs/",
        "/api/orgs//runs/r",
        "/api/orgs/o/",
        "/api/orgs/o/runs/r/file",
        "/api/orgs/o/runs/:cancel",
        "/api/orgs/o/runs/a:b:cancel",
        "/api/orgs/%FF",
        "api/orgs/o",
        "/API/orgs/o",
    ],
)
def test_another_path_finds_none(path: str) -> None:
    assert _match("GET", path) is None


def test_another_method_is_told_which_are_allowed() -> None:
    assert _match("PUT", "/api/orgs/o/runs/r") == MethodNotAllowed(("DELETE", "GET"))


@pytest.mark.parametrize(
    "other",
    [
        Place("GET", "/api/orgs/{id}"),
        Place("GET", "/api/orgs/mine"),
        Place("POST", "/api/orgs/{id}:leave"),
    ],
)
def test_templates_that_match_the_same_path_are_refused(other: Place) -> None:
    with pytest.raises(AmbiguousRoutes):
        RouteTable([*PLACES, other])


VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(deadline=None, database=None)
@given(st.sampled_from(ROUTES), st.lists(VALUES, min_size=5, max_size=5))
def test_every_compiled_route_is_found_with_any_values(route: Route, values: list[str]) -> None:
    names = PARAMETER.findall(route.path)
    params = dict(zip(names, values, strict=False))
    path = PARAMETER.sub(lambda found: quote(params[found[1]], safe=""), route.path)
    assert TABLE.match(route.method, path) == (route, params)
