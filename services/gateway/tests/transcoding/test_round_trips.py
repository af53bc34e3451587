"""Any message of the protos, written by its encoder and read back by a decoder."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.encoders import Encoders, to_json
from tenon_gateway.transcoding.fields import is_map, map_value, message_of
from tenon_gateway.transcoding.free_form import to_list, to_struct, to_value
from tenon_gateway.transcoding.routes import UPDATE_MASK, Route, service_name
from tenon_policy.bounds import bounds_of
from tenon_policy.policies import load_policies

ENCODERS = Encoders()
POLICIES = load_policies(load_services())
MESSAGES = {
    str(message.full_name): message
    for service in load_services()
    for method in service.methods
    for message in (method.input_type, method.output_type)
    if UPDATE_MASK not in message.fields_by_name
}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=7)
# Negative zero becomes zero where whole doubles are shown as integers.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda plain: st.lists(plain, max_size=3) | st.dictionaries(TEXT, plain, max_size=3),
    max_leaves=6,
)
TIMES = st.builds(
    lambda seconds, micros: Timestamp(seconds=seconds, nanos=micros * 1000),
    st.integers(-62_135_596_800, 253_402_300_799),
    st.integers(0, 999_999),
)
WELL_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "google.protobuf.ListValue": st.lists(PLAIN, max_size=3).map(to_list),
    "google.protobuf.Struct": st.dictionaries(TEXT, PLAIN, max_size=3).map(to_struct),
    "google.protobuf.Timestamp": TIMES,
    "google.protobuf.Value": PLAIN.filter(lambda plain: plain is not None).map(to_value),
}
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_DOUBLE: NUMBERS,
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_STRING: TEXT,
}


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    if descriptor.full_name in WELL_KNOWN:
        return WELL_KNOWN[descriptor.full_name]
    make = GetMessageClass(descriptor)
    fields = {field.name: _fields(field) for field in descriptor.fields}
    required = {field.name for field in descriptor.fields if bounds_of(field).required}
    given = st.fixed_dictionaries(
        {name: fields[name].filter(bool) for name in required},
        optional={name: fields[name] for name in fields.keys() - required},
    )
    return given.map(lambda given: make(**given))


def _fields(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if is_map(field):
        return st.dictionaries(TEXT, _values(map_value(field)), max_size=3)
    one = _values(field)
    return st.lists(one, max_size=3) if field.is_repeated else one


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(message_of(field))
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values if value.number])
    bounds = bounds_of(field)
    if bounds.maximum is not None:
        return st.integers(bounds.minimum, bounds.maximum)
    return SCALARS[field.type]


@pytest.mark.parametrize("name", MESSAGES)
@settings(deadline=None, database=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_message_comes_back_from_json(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(MESSAGES[name]))
    body = to_json(ENCODERS.message(MESSAGES[name])(message))
    assert Decoder(_route_of(MESSAGES[name]))({}, b"", body) == message


def _route_of(descriptor: Descriptor) -> Route:
    """Return a route that takes a message as the whole of its body."""
    return Route(
        method="POST",
        path="/",
        parameters=(),
        rpc="",
        service=service_name(descriptor.full_name),
        request=GetMessageClass(descriptor),
        response=GetMessageClass(descriptor),
        body="*",
        response_body="",
        policy=replace(next(iter(POLICIES.values())), max_request_bytes=1024),
        status=200,
    )
