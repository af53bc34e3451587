import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool

from tenon.options.v1 import options_pb2
from tenon.reports.v1.run_service_pb2 import CancelRunRequest, CancelRunResponse
from tenon_gateway.transcoding.descriptors import load_comments, load_services
from tenon_gateway.transcoding.routes import BadRoute, Route, compile_routes
from tenon_policy.policies import MissingPolicy, Role


@pytest.fixture(scope="module")
def routes() -> dict[str, Route]:
    return {route.rpc.rpartition("/")[2]: route for route in compile_routes(load_services())}


def test_a_route_says_all_of_its_rpc(routes: dict[str, Route]) -> None:
    route = routes["CancelRun"]
    assert (route.method, route.path) == ("POST", "/api/orgs/{org_id}/runs/{run_id}:cancel")
    assert route.parameters == ("org_id", "run_id")
    assert (route.rpc, route.service) == ("/tenon.reports.v1.RunService/CancelRun", "reports")
    assert (route.request, route.response) == (CancelRunRequest, CancelRunResponse)
    assert (route.body, route.response_body) == ("*", "run")
    assert route.policy.min_role is Role.MEMBER


@pytest.mark.parametrize(
    ("rpc", "status"),
    [("GetRun", 200), ("CreateDataset", 201), ("StartRun", 202), ("RemoveMember", 204)],
)
def test_the_status_follows_from_policy_and_verb(
    routes: dict[str, Route], rpc: str, status: int
) -> None:
    assert routes[rpc].status == status


def test_rpcs_without_an_annotation_have_no_route(routes: dict[str, Route]) -> None:
    assert "LogIn" not in routes


def test_every_service_and_method_has_a_comment() -> None:
    comments = load_comments()
    names = [service.full_name for service in load_services()]
    names += [method.full_name for service in load_services() for method in service.methods]
    assert [name for name in names if not comments.get(name)] == []


def test_comments_are_found_by_full_name() -> None:
    comments = load_comments()
    assert comments["tenon.tenancy.v1.Role.ROLE_VIEWER"] == "Reads."
    assert comments["tenon.reports.v1.Progress.total"] == "Unset until counted."


def _service(options: MethodOptions) -> ServiceDescriptor:
    """Return a service with one method, `Get`, whose request has `org_id` alone."""
    file = FileDescriptorProto(name="odd.proto", package="tenon.odd.v1", syntax="proto3")
    request = file.message_type.add(name="GetRequest")
    org_id = request.field.add(name="org_id", number=1, type=9, label=1)
    org_id.options.Extensions[options_pb2.bounds].max_length = 36
    file.message_type.add(name="GetResponse")
    method = file.service.add(name="OddService").method.add(
        name="Get", input_type=".tenon.odd.v1.GetRequest", output_type=".tenon.odd.v1.GetResponse"
    )
    method.options.CopyFrom(options)
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName("tenon.odd.v1.OddService")


def _options(path: str) -> MethodOptions:
    options = MethodOptions()
    options.Extensions[annotations_pb2.http].get = path
    policy = options.Extensions[options_pb2.policy]
    policy.access = options_pb2.ACCESS_USER
    policy.rate = "read"
    policy.audit = "NONE"
    policy.idempotency = options_pb2.IDEMPOTENCY_SAFE
    return options


def test_a_parameter_that_is_no_field_is_refused() -> None:
    with pytest.raises(BadRoute, match="GetRequest has no field run_id"):
        compile_routes([_service(_options("/api/orgs/{org_id}/runs/{run_id}"))])


def test_an_empty_response_is_no_content() -> None:
    (route,) = compile_routes([_service(_options("/api/odd/{org_id}"))])
    assert route.status == 204


def test_a_route_without_policy_is_refused() -> None:
    options = _options("/api/odd/{org_id}")
    options.ClearExtension(options_pb2.policy)
    with pytest.raises(MissingPolicy, match=r"OddService\.Get"):
        compile_routes([_service(options)])
