from typing import Any

import pytest
from openapi_spec_validator import validate

from tenon.auth.v1.session_service_pb2 import GetSessionResponse, LogInRequest, LogInResponse
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.document import compile_document
from tenon_gateway.transcoding.manual import Content, ManualOperation
from tenon_gateway.transcoding.markdown import routes_markdown
from tenon_gateway.transcoding.routes import BadRoute, compile_routes

ROUTES = compile_routes(load_services())
SESSIONS = "/tenon.auth.v1.SessionService"
MANUAL = [
    ManualOperation(
        "POST",
        "/api/auth/login",
        (f"{SESSIONS}/LogIn",),
        body=Content(LogInRequest, omit=frozenset({"device"})),
        reply=Content(
            LogInResponse, omit=frozenset({"tokens"}), optional=frozenset({"user", "mfa_token"})
        ),
    ),
    ManualOperation(
        "GET",
        "/api/auth/session",
        (f"{SESSIONS}/GetSession",),
        reply=Content(GetSessionResponse, extra={"orgs": {"type": "array", "items": {}}}),
    ),
    ManualOperation(
        "GET",
        "/api/files/{token}",
        name="readFile",
        tag="Files",
        summary="Returns a file. Its link is the right to it.",
        query={"inline": {"type": "boolean"}},
        reply=Content(media_type="text/csv", schema={"type": "string"}),
    ),
]
DOCUMENT = compile_document(ROUTES, MANUAL)


def _operation(method: str, path: str) -> Any:
    return DOCUMENT["paths"][path][method]


def _component(name: str) -> Any:
    return DOCUMENT["components"]["schemas"][name]


def _body(method: str, path: str) -> Any:
    return _operation(method, path)["requestBody"]["content"]["application/json"]["schema"]


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_every_route_is_in_it() -> None:
    described = {
        (method.upper(), path) for path, one in DOCUMENT["paths"].items() for method in one
    }
    expected = {(route.method, route.path) for route in ROUTES}
    assert described == expected | {(one.method, one.path) for one in MANUAL}


def test_an_operation_has_its_rpc_s_comment_and_policy() -> None:
    operation = _operation("post", "/api/orgs/{org_id}/runs/{run_id}:cancel")
    assert operation["operationId"] == "cancelRun"
    assert operation["tags"] == ["Run"]
    assert operation["summary"] == "Cancels a run that has not finished; its file is not kept."
    assert operation["x-min-role"] == "member"
    assert [one["name"] for one in operation["parameters"]] == ["org_id", "run_id"]
    assert "requestBody" not in operation


def test_query_parameters_are_described() -> None:
    (size,) = [
        one
        for one in _operation("get", "/api/orgs/{org_id}/runs")["parameters"]
        if one["name"] == "page_size"
    ]
    assert (size["in"], size["schema"]["type"]) == ("query", "integer")
    assert "more than 100" in size["description"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/orgs", "200"),
        ("post", "/api/orgs", "201"),
        ("post", "/api/orgs/{org_id}/runs", "202"),
        ("delete", "/api/orgs/{org_id}/members/{user_id}", "204"),
    ],
)
def test_the_success_is_the_policy_s(method: str, path: str, status: str) -> None:
    assert status in _operation(method, path)["responses"]


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/.well-known/jwks.json", {"429"}),
        ("get", "/api/orgs", {"401", "422", "429"}),
        ("get", "/api/orgs/{org_id}", {"401", "403", "404", "429"}),
    ],
)
def test_failures_follow_from_access_and_input(method: str, path: str, statuses: set[str]) -> None:
    assert set(_operation(method, path)["responses"]) - {"200"} == statuses


def test_reasons_come_from_the_comment() -> None:
    replies = _operation("post", "/api/orgs/{org_id}/runs/{run_id}:cancel")["responses"]
    assert replies["4XX"]["x-codes"] == ["run_not_found", "run_finished"]


def test_public_operations_need_no_credentials() -> None:
    assert _operation("get", "/.well-known/jwks.json")["security"] == []
    assert _operation("get", "/api/orgs")["security"] == [{"cookie": []}, {"bearer": []}]


def test_a_body_has_neither_path_fields_nor_the_mask() -> None:
    body = _body("patch", "/api/orgs/{org_id}/datasets/{dataset_id}")
    assert set(body["properties"]) == {"name", "dimensions", "measures"}
    assert body["additionalProperties"] is False


def test_a_field_that_is_the_body_is_the_schema() -> None:
    assert _body("post", "/api/orgs/{org_id}/queries") == {
        "$ref": "#/components/schemas/QueryInput"
    }


def test_replies_hold_every_field_and_requests_any() -> None:
    assert _component("Dataset")["required"] == list(_component("Dataset")["properties"])
    assert "required" not in _component("QueryInput")


def test_strings_and_lists_of_requests_have_their_bounds() -> None:
    properties = _body("post", "/api/orgs/{org_id}/datasets")["properties"]
    name, dimensions = properties["name"], properties["dimensions"]
    assert (name["minLength"], name["maxLength"]) == (1, 100)
    assert dimensions["maxItems"] == 50
    assert dimensions["items"] == {"type": "string", "maxLength": 63}


def test_maps_of_requests_have_their_bounds() -> None:
    dimensions = _component("EventInput")["properties"]["dimensions"]
    assert dimensions["maxProperties"] == 50
    assert dimensions["propertyNames"] == {"maxLength": 200}
    assert dimensions["additionalProperties"]["maxLength"] > 0


def test_numbers_of_requests_have_their_range() -> None:
    limit = _component("QueryInput")["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"]) == (0, 10_000)


def test_requests_say_what_they_require_and_its_format() -> None:
    login = _body("post", "/api/auth/login")
    assert login["required"] == ["email", "password"]
    assert login["properties"]["email"]["format"] == "email"


@pytest.mark.parametrize("path", ["/api/orgs/{org_id}/datasets/{dataset_id}"])
def test_parameters_have_the_bounds_of_their_fields(path: str) -> None:
    for parameter in _operation("get", path)["parameters"]:
        assert (parameter["schema"]["format"], parameter["schema"]["maxLength"]) == ("uuid", 36)


def test_every_string_and_list_of_a_body_is_bounded() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    inputs = [schema for name, schema in schemas.items() if name.endswith("Input")]
    for schema in (one for part in inputs for one in part["properties"].values()):
        if schema.get("type") == "string" and schema.get("format") != "date-time":
            assert "maxLength" in schema
        if schema.get("type") == "array":
            assert "maxItems" in schema


def test_enums_are_lists_of_words() -> None:
    assert _component("Role")["enum"] == ["viewer", "member", "admin", "owner"]
    assert "- `viewer`: Reads." in _component("Role")["description"]
    assert _component("MetricOp")["enum"][-1] == "p99"


def test_what_may_be_unset_may_be_null() -> None:
    assert _component("Progress")["properties"]["total"]["type"] == ["integer", "null"]
    assert {"type": "null"} in _component("Run")["properties"]["state"]["anyOf"]
    assert _component("Run")["properties"]["finish_time"]["type"] == ["string", "null"]


def test_secrets_of_requests_are_write_only() -> None:
    fields = _body("post", "/api/auth/login")["properties"]
    assert fields["password"]["writeOnly"] is True
    assert "writeOnly" not in fields["email"]  # a reply holds it: User.email


def test_manual_operations_take_what_they_do_not_say_from_the_first_rpc() -> None:
    operation = _operation("post", "/api/auth/login")
    assert (operation["operationId"], operation["tags"]) == ("logIn", ["Session"])
    assert operation["responses"]["4XX"]["x-codes"] == [
        "invalid_credentials",
        "too_many_guesses",
        "too_many_log_ins",
    ]
    reply = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "tokens" not in reply["properties"]


def test_manual_replies_may_lack_members() -> None:
    replies = _operation("post", "/api/auth/login")["responses"]
    reply = replies["200"]["content"]["application/json"]["schema"]
    assert set(reply["properties"]) - set(reply["required"]) == {"user", "mfa_token"}


def test_manual_replies_may_have_further_members() -> None:
    replies = _operation("get", "/api/auth/session")["responses"]
    assert "orgs" in replies["200"]["content"]["application/json"]["schema"]["required"]


def test_manual_operations_may_stand_alone() -> None:
    operation = _operation("get", "/api/files/{token}")
    assert operation["summary"] == "Returns a file."
    assert [one["in"] for one in operation["parameters"]] == ["path", "query"]
    assert list(operation["responses"]["200"]["content"]) == ["text/csv"]


def test_two_operations_of_one_name_are_refused() -> None:
    twice = ManualOperation("GET", "/api/other", name="logIn", tag="Other", summary="x")
    with pytest.raises(BadRoute, match="logIn"):
        compile_document(ROUTES, [*MANUAL, twice])


def test_the_route_list_has_a_line_for_each_route() -> None:
    lines = routes_markdown(ROUTES, MANUAL).splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(ROUTES) + len(MANUAL)
    assert (
        "| PATCH | `/api/orgs/{org_id}/members/{user_id}` "
        "| `tenancy.v1.MemberService.UpdateMember` | org, people | `tenancy.members.update` "
        "| admin | write | - | `users/{user_id}` | `tenancy.members.update` |"
    ) in lines
    assert "| GET | `/api/files/{token}` | - | public | - | - | - | - | - | - |" in lines
