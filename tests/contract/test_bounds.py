"""Every bound of every request: its largest value is taken, and one more is refused by name."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from tenon_core.errors import InvalidArgument
from tenon_gateway.clients import rpcs
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.parameters import query_fields
from tenon_gateway.transcoding.routes import WHOLE_BODY, Route, compile_routes, rpc_path
from tenon_gateway.transcoding.words import enum_words
from tenon_policy.checks import faults
from tenon_policy.policies import load_policies
from tests.contract.extremes import Extreme, Extremes

METHODS = {rpc_path(method): method for service in load_services() for method in service.methods}
POLICIES = load_policies(load_services())
IN_JSON = Extremes(lambda enum: next(iter(enum_words(enum).values())))
IN_PROTO = Extremes(lambda enum: enum.values[1].number)
MANUAL = [
    rpcs.routeless(
        rpcs.Rpc(path, GetMessageClass(method.input_type), GetMessageClass(method.output_type)),
        POLICIES,
        GetMessageClass(method.input_type),
        body=WHOLE_BODY,
        internal=rpcs.INTERNAL,
    )
    for operation in OPERATIONS
    if operation.body is not None and operation.body.message is not None
    for path, method in [(operation.rpcs[0], METHODS[operation.rpcs[0]])]
]
ROUTES = {route.rpc: route for route in [*compile_routes(load_services()), *MANUAL]}


def refused(decoder: Decoder, params: dict[str, str], query: bytes, body: bytes) -> set[str]:
    with pytest.raises(InvalidArgument) as error:
        decoder(params, query, body)
    return {fault.pointer for fault in error.value.fields}


def of_body(route: Route) -> Iterator[Extreme]:
    request: Descriptor = descriptor_of(route.request)
    if route.body == WHOLE_BODY:
        yield from IN_JSON.of_message(request, frozenset(route.parameters) | route.internal)
    elif route.body:
        yield from IN_JSON.of_field(request.fields_by_name[route.body])


@pytest.mark.parametrize("rpc", ROUTES)
def test_bodies(rpc: str) -> None:
    route = ROUTES[rpc]
    decoder = Decoder(route)
    params = dict.fromkeys(route.parameters, "x")
    for extreme in of_body(route):
        decoder(params, b"", orjson.dumps(extreme.inside))
        over = refused(decoder, params, b"", orjson.dumps(extreme.over))
        assert over == {extreme.pointer}


def valid_body(route: Route) -> bytes:
    """Return a body with what a route requires of it."""
    if route.body != WHOLE_BODY:
        return b""
    given = frozenset(route.parameters) | route.internal
    return orjson.dumps(IN_JSON.base(descriptor_of(route.request), given))


@pytest.mark.parametrize("rpc", ROUTES)
def test_path_parameters(rpc: str) -> None:
    route = ROUTES[rpc]
    decoder, body = Decoder(route), valid_body(route)
    fields = descriptor_of(route.request).fields_by_name
    params = dict.fromkeys(route.parameters, "x")
    for name in route.parameters:
        for extreme in IN_JSON.of_field(fields[name]):
            decoder(params | {name: extreme.inside}, b"", body)
            assert refused(decoder, params | {name: extreme.over}, b"", body) == {f"/{name}"}


@pytest.mark.parametrize("rpc", ROUTES)
def test_query_parameters(rpc: str) -> None:
    route = ROUTES[rpc]
    decoder, body = Decoder(route), valid_body(route)
    params = dict.fromkeys(route.parameters, "x")
    for field in query_fields(route):
        for extreme in IN_JSON.of_field(field):
            decoder(params, urlencode({field.name: extreme.inside}).encode(), body)
            query = urlencode({field.name: extreme.over}).encode()
            assert refused(decoder, params, query, body) == {f"/{field.name}"}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_services_check_every_request_again(method: MethodDescriptor) -> None:
    """Also what only services call, and what the gateway fills in itself."""
    make: Any = GetMessageClass(method.input_type)
    for extreme in IN_PROTO.of_message(method.input_type, frozenset()):
        assert faults(ParseDict(extreme.inside, make())) == []
        over = [fault.pointer for fault in faults(ParseDict(extreme.over, make()))]
        assert over == [extreme.pointer]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_is_required_is_required_by_name(method: MethodDescriptor) -> None:
    message = GetMessageClass(method.input_type)()
    required = {f"/{name}" for name in IN_PROTO.base(method.input_type)}
    assert {fault.pointer for fault in faults(message)} == required
