"""Path and query parameters of a request: text, checked and made ready for a constructor."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenon_core.errors import FieldError
from tenon_gateway.transcoding.converters import bounded, value_converter
from tenon_gateway.transcoding.fields import descriptor_of, is_map, is_object
from tenon_gateway.transcoding.mismatch import NUL, Convert, Mismatch, pointer, refusal
from tenon_gateway.transcoding.routes import UPDATE_MASK, WHOLE_BODY, BadRoute, Route
from tenon_policy.bounds import REQUIRED, bounds_of

_TEXT_TYPES = {FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_ENUM}


def path_reader(descriptor: Descriptor, names: Iterable[str]) -> Callable[[Any], dict[str, Any]]:
    converters = {name: _text_converter(descriptor.fields_by_name[name]) for name in names}

    def read(params: Mapping[str, str]) -> dict[str, Any]:
        return _collect((name, converters[name], text) for name, text in params.items())

    return read


def _collect(items: Iterable[tuple[str, Convert, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name, convert, item in items:
        try:
            fields[name] = convert(item)
        except Mismatch as mismatch:
            faults += mismatch.under(name)
    if faults:
        raise Mismatch(faults)
    return fields


def _text_converter(field: FieldDescriptor) -> Convert:
    """Return the converter of one value that is written as text, in a path or a query."""
    convert = value_converter(field, bounds_of(field))
    if field.type in _TEXT_TYPES or field.message_type is not None:
        return lambda text: convert(_without_nul(text))
    return lambda text: convert(_literal(text))


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise Mismatch.of(NUL)
    return text


def _literal(text: str) -> Any:
    """Read a number, true or false; any other text stays text, which no such field takes."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def query_fields(route: Route) -> list[FieldDescriptor]:
    """Return what neither the path nor the body holds."""
    if route.body == WHOLE_BODY:
        return []
    taken = {*route.parameters, route.body, UPDATE_MASK}
    fields = [field for field in descriptor_of(route.request).fields if field.name not in taken]
    for field in fields:
        if is_map(field) or is_object(field):
            raise BadRoute(f"{field.full_name}: an object does not fit into a query string")
    return fields


def query_reader(fields: Iterable[FieldDescriptor]) -> Callable[[Any], dict[str, Any]]:
    fields = list(fields)
    required = [field for field in fields if bounds_of(field).required]
    converters = {field.name: _query_converter(field) for field in fields}
    unknown = refusal("is not a known parameter")

    def read(query: bytes) -> dict[str, Any]:
        if not query and not required:
            return {}
        grouped = _grouped(query)
        found = _collect(
            (name, converters.get(name, unknown), texts) for name, texts in grouped.items()
        )
        _require(required, found)
        return found

    return read


def _require(required: Iterable[FieldDescriptor], found: Mapping[str, Any]) -> None:
    missing = [field for field in required if not found.get(field.name)]
    if missing:
        raise Mismatch(
            FieldError(pointer(field.name), REQUIRED, bounds_of(field).code) for field in missing
        )


def _grouped(query: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Mismatch.of("the query is not percent-encoded UTF-8") from None
    grouped: dict[str, list[str]] = {}
    for name, text in pairs:
        grouped.setdefault(name, []).append(text)
    return grouped


def _query_converter(field: FieldDescriptor) -> Convert:
    one = _text_converter(field)
    bounds = bounds_of(field)
    if field.is_repeated:
        return bounded(lambda texts: [one(text) for text in texts], bounds.count_fault, bounds)

    def convert(texts: list[str]) -> Any:
        if len(texts) > 1:
            raise Mismatch.of("may be given only once")
        return one(texts[0])

    return convert
