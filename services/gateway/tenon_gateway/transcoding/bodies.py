"""JSON bodies of requests, checked as documents and then by their fields."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from tenon_core.errors import FieldError
from tenon_gateway.errors import BodyTooLarge
from tenon_gateway.transcoding.converters import field_converter, object_converter
from tenon_gateway.transcoding.fields import descriptor_of, is_map, map_value
from tenon_gateway.transcoding.mismatch import MAX_FAULTS, NUL, Convert, Mismatch, pointer, refusal
from tenon_gateway.transcoding.routes import UPDATE_MASK, WHOLE_BODY, BadRoute, Route
from tenon_gateway.transcoding.value_counts import holds_more_values
from tenon_policy.sizes import SPACE_BYTES, Size, body_size, field_size

MAX_DEPTH = 32
MAX_DERIVED_BYTES = 1024 * 1024
"""Larger bodies are those of routes whose policies say so."""
HARMLESS_VALUES = 10_000
"""They are parsed in a millisecond, so that what is wrong with them can be told by its name."""
BODY_REQUIRED = "a JSON object with the fields to change is required"
NO_BODY = "this request takes no body"
ESCAPED_QUOTE = b"\\u0022"
ESCAPE = re.compile(rb"\\(u0022|.)", re.DOTALL)

_FREE_FORM = {"google.protobuf.ListValue", "google.protobuf.Struct", "google.protobuf.Value"}


def body_reader(route: Route) -> Callable[[Any], dict[str, Any]]:
    if not route.body:
        return _no_body
    descriptor = descriptor_of(route.request)
    if route.body == WHOLE_BODY:
        given = set(route.parameters)
        convert = _whole_converter(descriptor, given, route.internal)
        fields = (field for field in descriptor.fields if field.name not in given)
        parse = _parser(fields, body_bounds(route).values)
        if UPDATE_MASK in descriptor.fields_by_name:
            return lambda body: _with_mask(convert, parse(_present(body)))
        return lambda body: dict(convert(parse(body)))
    field = descriptor.fields_by_name[route.body]
    convert_field = field_converter(field)
    parse_field = _parser([field], body_bounds(route).values)
    return lambda body: {field.name: convert_field(parse_field(body))}


def body_bounds(route: Route) -> Size:
    """Return how large a route's body may be, which its policy says or its fields; BadRoute."""
    descriptor = descriptor_of(route.request)
    if not route.body:
        return Size(json_bytes=SPACE_BYTES)
    if route.body == WHOLE_BODY:
        size = body_size(descriptor, {*route.parameters, *route.internal})
    else:
        size = field_size(descriptor.fields_by_name[route.body]) + Size(json_bytes=SPACE_BYTES)
    if route.policy.max_request_bytes:
        return replace(size, json_bytes=route.policy.max_request_bytes)
    if size.json_bytes > MAX_DERIVED_BYTES:
        raise BadRoute(
            f"{route.rpc}: the bounds of its fields allow a body of {size.json_bytes:,} bytes: "
            "lower them, or set max_request_bytes in its policy"
        )
    return size


def is_no_body(body: bytes) -> bool:
    """Say whether it holds nothing, in whatever way clients write that."""
    return body.strip() in {b"", b"{}"}


def _present(body: bytes) -> bytes:
    """Refuse a body that was left out, where an empty object would change nothing."""
    if not body.strip():
        raise Mismatch.of(BODY_REQUIRED)
    return body


def _no_body(body: bytes) -> dict[str, Any]:
    if not is_no_body(body):
        raise Mismatch.of(NO_BODY)
    return {}


def _whole_converter(descriptor: Descriptor, given: set[str], internal: frozenset[str]) -> Convert:
    members = {
        field.name: field_converter(field)
        for field in descriptor.fields
        if field.name not in given | internal and field.name != UPDATE_MASK
    }
    refused = {name: refusal("is given by the path") for name in given}
    return object_converter(descriptor, members | refused, omit=given)


def _with_mask(convert: Convert, document: Any) -> dict[str, Any]:
    """Add the mask: the members that are present, a null among them, which clears its field."""
    return {**convert(document), UPDATE_MASK: FieldMask(paths=list(document))}


def _parser(fields: Iterable[FieldDescriptor], max_values: int) -> Callable[[bytes], Any]:
    """Return the function from a body to its JSON value; an absent body is an empty object.

    A body of more than `max_values` JSON values is refused before an object is made of any.
    """
    limit = max(max_values, HARMLESS_VALUES)
    free_form = any(_holds_free_form(field) for field in fields)

    def parse(body: bytes) -> Any:
        if holds_more_values(body, limit):
            raise BodyTooLarge(f"The body holds more than {limit:,} JSON values.")
        document = _parsed(body)
        has_nul = b"\\u0000" in body  # JSON can spell it in no other way
        # Where nothing is free-form, what is deeper than the messages does not fit them anyway.
        if (free_form or has_nul) and _deeper(document, MAX_DEPTH):
            raise Mismatch.of(f"must not be nested deeper than {MAX_DEPTH} levels")
        if has_nul:
            _require_no_nul(document)
        if _lost_a_member(body or b"{}", document):
            raise Mismatch.of("an object names a member twice")
        return document

    return parse


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Mismatch.of(f"the body is not valid JSON: {error}") from None


def _lost_a_member(body: bytes, document: Any) -> bool:
    """Say whether an object names a member twice, of which the parser has kept the last: others,
    who look at a request before us, may go by the first.

    What was dropped is missing among the quotes. So this costs little where all is well.
    """
    quotes = body.count(b'"')
    if ESCAPED_QUOTE in body:  # which is written anew with a quote
        quotes += sum(escape[1] == b"u0022" for escape in ESCAPE.finditer(body))
    try:
        return orjson.dumps(document).count(b'"') != quotes
    except orjson.JSONEncodeError:  # so deep that it fits no message of ours
        return False


def _holds_free_form(field: FieldDescriptor) -> bool:
    kind = (map_value(field) if is_map(field) else field).message_type
    if kind is None:
        return False
    return kind.full_name in _FREE_FORM or any(_holds_free_form(part) for part in kind.fields)


def _deeper(document: Any, levels: int) -> bool:
    if isinstance(document, dict):
        document = document.values()
    elif not isinstance(document, list):
        return False
    return levels == 0 or any(_deeper(item, levels - 1) for item in document)


def _require_no_nul(document: Any) -> None:
    faults = [FieldError(place, NUL) for place in islice(_nul_places(document), MAX_FAULTS)]
    if faults:
        raise Mismatch(faults)


def _nul_places(value: Any) -> Iterator[str]:
    """Yield the pointer to each string with a NUL; for a member's name, that of its object."""
    if isinstance(value, str):
        if "\0" in value:
            yield ""
    elif isinstance(value, dict):
        yield from ("" for name in value if "\0" in name)
        yield from (pointer(name) + rest for name in value for rest in _nul_places(value[name]))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from (pointer(index) + rest for rest in _nul_places(item))
