"""The gateway's routes, compiled from the HTTP annotations and policies in the protos."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tenon_policy.policies import MethodPolicy, load_policies

PARAMETER = re.compile(r"\{(\w+)\}")
WHOLE_BODY = "*"
UPDATE_MASK = "update_mask"


class BadRoute(Exception):
    """An HTTP annotation does not fit its messages; the gateway must not start."""


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP method and path, and the RPC behind it.

    `path` is a template, e.g. `/api/orgs/{org_id}/runs/{run_id}:cancel`. `rpc` is the gRPC path,
    and `service` the name of the process that serves it. `body` names the request field that the
    body holds: "" none, "*" the request itself. `response_body` names the response field that is
    the reply: "" the response itself.
    """

    method: str
    path: str
    parameters: tuple[str, ...]
    rpc: str
    service: str
    request: type[Message]
    response: type[Message]
    body: str
    response_body: str
    policy: MethodPolicy
    status: int
    internal: frozenset[str] = frozenset()
    """Fields that the gateway sets itself, and no client."""


def compile_routes(services: Iterable[ServiceDescriptor]) -> list[Route]:
    """Return a route for each HTTP annotation; BadRoute or BadPolicy names the first bad one."""
    services = list(services)
    policies = load_policies(services)
    return [
        _route(method, rule, policies[rpc_path(method)])
        for service in services
        for method in service.methods
        for rule in _rules(method)
    ]


def rpc_path(method: MethodDescriptor) -> str:
    """Return the path that gRPC calls the method by: `/tenon.reports.v1.RunService/StartRun`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def service_name(full_name: str) -> str:
    """Return the process that serves a name of the protos: `tenon.reports.v1.Run` is `reports`."""
    return full_name.split(".")[1]


def _rules(method: MethodDescriptor) -> Iterator[HttpRule]:
    options = method.GetOptions()
    if options.HasExtension(annotations_pb2.http):
        rule = options.Extensions[annotations_pb2.http]
        yield rule
        yield from rule.additional_bindings


def _route(method: MethodDescriptor, rule: HttpRule, policy: MethodPolicy) -> Route:
    verb = rule.WhichOneof("pattern")
    if verb is None or verb == "custom":
        raise BadRoute(f"{method.full_name}: the route needs get, put, post, patch or delete")
    path = getattr(rule, verb)
    parameters = tuple(PARAMETER.findall(path))
    _require_fields(method, method.input_type, {*parameters, rule.body} - {"", WHOLE_BODY})
    _require_fields(method, method.output_type, {rule.response_body} - {""})
    return Route(
        method=verb.upper(),
        path=path,
        parameters=parameters,
        rpc=policy.method,
        service=service_name(method.full_name),
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        body=rule.body,
        response_body=rule.response_body,
        policy=policy,
        status=policy.http_status or _usual_status(verb, method.output_type),
    )


def _require_fields(method: MethodDescriptor, message: Descriptor, names: set[str]) -> None:
    missing = sorted(names - set(message.fields_by_name))
    if missing:
        raise BadRoute(f"{method.full_name}: {message.name} has no field {', '.join(missing)}")


def _usual_status(verb: str, response: Descriptor) -> int:
    return 204 if verb == "delete" or not response.fields else 200
