"""Values of a request's JSON, checked and made ready for a message's constructor.

A converter is a closure made once for its field. It takes what orjson parsed and returns what the
constructor takes, where a dict stands for a message; or it raises Mismatch. Every decision that
the descriptor can answer falls when it is made, none when it is used.
"""

from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from tenon_core.errors import FieldError
from tenon_gateway.transcoding import free_form
from tenon_gateway.transcoding.fields import is_map, map_value
from tenon_gateway.transcoding.mismatch import MAX_FAULTS, Convert, Mismatch, pointer
from tenon_gateway.transcoding.times import parse_time
from tenon_gateway.transcoding.words import enum_words
from tenon_policy.bounds import FREE_FORM, REQUIRED, Bounds, bounds_of

UNKNOWN_FIELD = "is not a known field"
ABSENT = (None, "")
"""What a required member must not be."""

FindFault: TypeAlias = Callable[[Any], str | None]

_LARGEST_FLOAT = 3.4028234663852886e38
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def field_converter(field: FieldDescriptor) -> Convert:
    """Return the converter of a whole field: one value, a list or a map."""
    bounds = bounds_of(field)
    if is_map(field):
        return _map_of(value_converter(map_value(field), bounds), bounds)
    one = value_converter(field, bounds)
    return _list_of(one, bounds) if field.is_repeated else one


def value_converter(field: FieldDescriptor, bounds: Bounds) -> Convert:
    """Return the converter of one value of a field; TypeError if JSON has no form for its type."""
    if field.message_type is not None:
        return _message(field.message_type, bounds)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.cpp_type in _RANGES:
        return bounded(_integer(*_RANGES[field.cpp_type]), bounds.number_fault, bounds)
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _float
    convert = {
        FieldDescriptor.TYPE_BOOL: _bool,
        FieldDescriptor.TYPE_BYTES: _bytes,
        FieldDescriptor.TYPE_DOUBLE: _double,
        FieldDescriptor.TYPE_STRING: _string,
    }[field.type]
    if field.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING):
        return bounded(convert, bounds.text_fault, bounds)
    return convert


def bounded(convert: Convert, find_fault: FindFault, bounds: Bounds) -> Convert:
    """Return the converter that also refuses what is outside the field's bounds."""
    code = bounds.code

    def convert_bounded(value: Any) -> Any:
        converted = convert(value)
        if fault := find_fault(converted):
            raise Mismatch.of(fault, code)
        return converted

    return convert_bounded


def object_converter(
    descriptor: Descriptor, converters: Mapping[str, Convert], *, omit: Collection[str] = ()
) -> Convert:
    """Return the converter of an object with these members to a message's fields; those in `omit`
    may be left out though they are required.
    """
    find = converters.get
    oneofs = list(_oneofs(descriptor))
    required = [
        FieldError(pointer(field.name), REQUIRED, bounds_of(field).code)
        for field in descriptor.fields
        if bounds_of(field).required and field.name not in omit
    ]

    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Mismatch.of("must be an object")
        fields: dict[str, Any] = {}
        faults: list[FieldError] = []
        for name, item in value.items():
            member = find(name)
            try:
                if member is None:
                    raise Mismatch.of(UNKNOWN_FIELD)
                if item is not None:
                    fields[name] = member(item)
            except Mismatch as mismatch:
                faults += mismatch.under(name)
                if len(faults) >= MAX_FAULTS:
                    break
        for names in oneofs:
            faults += _several(names & value.keys(), value)
        faults += (fault for fault in required if value.get(fault.pointer[1:]) in ABSENT)
        if faults:
            raise Mismatch(faults)
        return fields

    return convert


def _oneofs(descriptor: Descriptor) -> Iterator[frozenset[str]]:
    """Yield the field names of each oneof, but not those that only stand for `optional`."""
    for oneof in descriptor.oneofs:
        if len(oneof.fields) > 1:
            yield frozenset(field.name for field in oneof.fields)


def _several(names: frozenset[str], value: Mapping[str, Any]) -> list[FieldError]:
    given = sorted(name for name in names if value[name] is not None)
    if len(given) < 2:  # noqa: PLR2004 - one alone is right
        return []
    return [FieldError("", f"only one of {', '.join(given)} may be given")]


def _list_of(one: Convert, bounds: Bounds) -> Convert:
    def convert(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Mismatch.of("must be a list")
        if fault := bounds.count_fault(value):
            raise Mismatch.of(fault, bounds.code)
        try:
            return [one(item) for item in value]
        except Mismatch:
            raise Mismatch(_faults(one, enumerate(value))) from None

    return convert


def _map_of(one: Convert, bounds: Bounds) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Mismatch.of("must be an object")
        if fault := bounds.count_fault(value) or _key_fault(value, bounds):
            raise Mismatch.of(fault, bounds.code)
        try:
            return {key: one(item) for key, item in value.items() if item is not None}
        except Mismatch:
            present = ((key, item) for key, item in value.items() if item is not None)
            raise Mismatch(_faults(one, present)) from None

    return convert


def _key_fault(value: Iterable[str], bounds: Bounds) -> str | None:
    return next(filter(None, map(bounds.key_fault, value)), None)


def _faults(one: Convert, items: Iterator[tuple[Any, Any]]) -> list[FieldError]:
    faults: list[FieldError] = []
    for key, item in items:
        try:
            one(item)
        except Mismatch as mismatch:
            faults += mismatch.under(key)
        if len(faults) >= MAX_FAULTS:
            break
    return faults


def _message(descriptor: Descriptor, bounds: Bounds) -> Convert:
    if descriptor.full_name in FREE_FORM:
        return _free_form(_WELL_KNOWN[descriptor.full_name], bounds)
    if descriptor.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[descriptor.full_name]
    if descriptor.full_name.startswith("google.protobuf."):
        raise TypeError(f"{descriptor.full_name} has no form in JSON")
    return object_converter(
        descriptor, {field.name: field_converter(field) for field in descriptor.fields}
    )


def _enum(enum: EnumDescriptor) -> Convert:
    numbers = {word: number for number, word in enum_words(enum).items()}
    message = f"must be one of {', '.join(numbers)}"

    def convert(value: Any) -> int:
        number = numbers.get(value) if type(value) is str else None
        if number is None:
            raise Mismatch.of(message)
        return number

    return convert


def _integer(least: int, most: int) -> Convert:
    def convert(value: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise Mismatch.of("must be an integer")
        if not least <= value <= most:
            raise Mismatch.of(f"must be between {least} and {most}")
        return value

    return convert


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Mismatch.of("must be a string")
    return value


def _double(value: Any) -> float:
    # Infinity and NaN do not come so far: JSON has no form for them.
    if type(value) is float or type(value) is int:
        return value
    raise Mismatch.of("must be a number")


def _float(value: Any) -> float:
    number = _double(value)
    if not -_LARGEST_FLOAT <= number <= _LARGEST_FLOAT:
        raise Mismatch.of(f"must be between -{_LARGEST_FLOAT} and {_LARGEST_FLOAT}")
    return number


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Mismatch.of("must be true or false")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return b64decode(_string(value), validate=True)
    except ValueError:
        raise Mismatch.of("must be base64") from None


def _time(value: Any) -> Timestamp:
    try:
        return parse_time(_string(value))
    except ValueError:
        raise Mismatch.of(
            "must be an RFC 3339 time with an offset, e.g. 2026-01-31T12:00:00Z"
        ) from None


def _free_form(convert: Convert, bounds: Bounds) -> Convert:
    def convert_bounded(value: Any) -> Any:
        if fault := bounds.free_form_fault(value, free_form.parts):
            raise Mismatch.of(fault, bounds.code)
        return convert(value)

    return convert_bounded


def _list_value(value: Any) -> Any:
    if type(value) is not list:
        raise Mismatch.of("must be a list")
    return free_form.to_list(value)


def _struct(value: Any) -> Any:
    if type(value) is not dict:
        raise Mismatch.of("must be an object")
    return free_form.to_struct(value)


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Timestamp": _time,
    "google.protobuf.Value": free_form.to_value,
}
