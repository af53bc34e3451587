"""google.protobuf.Value, Struct and ListValue from and to plain JSON values."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

# Doubles hold every integer up to here, so that 2.0 below it may be shown as 2.
_EXACT_INTEGERS = 2.0**53


def from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return from_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return from_list(value.list_value)
    if kind == "struct_value":
        return from_struct(value.struct_value)
    return None


def from_number(number: float) -> float | int:
    """Show integral doubles as integers, as far as doubles are exact."""
    if -_EXACT_INTEGERS < number < _EXACT_INTEGERS and number.is_integer():
        return int(number)
    return number


def from_list(values: ListValue) -> list[Any]:
    return [from_value(value) for value in values.values]


def from_struct(struct: Struct) -> dict[str, Any]:
    return {name: from_value(value) for name, value in struct.fields.items()}


def parts(value: Any) -> tuple[int, Iterable[Any]]:
    """Return the characters of what orjson parsed, and the values that it holds."""
    if isinstance(value, str):
        return len(value), ()
    if isinstance(value, list):
        return 0, value
    if isinstance(value, dict):
        return sum(map(len, value)), value.values()
    return 0, ()


def to_value(value: Any) -> Value:
    """Make a Value of what orjson parsed."""
    if value is None:
        return Value(null_value=0)  # type: ignore[arg-type]  # NULL_VALUE, the enum's only number
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, list):
        return Value(list_value=to_list(value))
    if isinstance(value, dict):
        return Value(struct_value=to_struct(value))
    return Value(number_value=value)


def to_list(values: Iterable[Any]) -> ListValue:
    return ListValue(values=[to_value(value) for value in values])


def to_struct(fields: dict[str, Any]) -> Struct:
    struct = Struct()
    for name, value in fields.items():
        struct.fields[name].CopyFrom(to_value(value))
    return struct
