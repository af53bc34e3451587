"""How large a request can be, from the bounds of its fields: bytes of JSON, JSON values, bytes on
the wire.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenon_policy.bounds import FREE_FORM, WELL_KNOWN, bounds_of, is_map, value_field

JSON_CHAR_BYTES = 12
"""Two escapes, as for an emoji: `\\ud83d\\ude00`."""
UTF8_CHAR_BYTES = 4
SCALAR_BYTES = 64
"""A number, a boolean, a time or an enum's word, with its quotes; more than any of ours takes."""
SEPARATOR_BYTES = 4
"""Quotes of a name, colon and comma; on the wire a tag and a length take up to twice as much."""
TAG_BYTES = 10
WELL_KNOWN_BYTES = 1024
"""A time or a duration; a mask of all fields' names."""
SPACE_BYTES = 16 * 1024
"""What a body may have in addition, for whitespace."""


@dataclass(frozen=True, slots=True)
class Size:
    """The largest that something can be; `items` are the fields on its top level on the wire."""

    json_bytes: int = 0
    values: int = 0
    wire_bytes: int = 0
    items: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.json_bytes + other.json_bytes,
            self.values + other.values,
            self.wire_bytes + other.wire_bytes,
            self.items + other.items,
        )

    def __mul__(self, count: int) -> "Size":
        return Size(
            self.json_bytes * count,
            self.values * count,
            self.wire_bytes * count,
            self.items * count,
        )


def body_size(request: Descriptor, omit: Collection[str] = ()) -> Size:
    """Return the size of a JSON body that holds a request but for some fields."""
    size = Size(json_bytes=SPACE_BYTES, values=1)
    for field in request.fields:
        if field.name not in omit:
            size += field_size(field)
    return size


@cache
def message_size(message: Descriptor) -> Size:
    """Return the size of a message within another, or of a whole one on the wire."""
    size = Size(json_bytes=2, values=1, wire_bytes=TAG_BYTES)
    for field in message.fields:
        size += field_size(field)
    return size


@cache
def field_size(field: FieldDescriptor) -> Size:
    """Return the size of a whole field with its name: one value, a list or a map."""
    bounds, one = bounds_of(field), _value_size(field)
    if not field.is_repeated:
        size = Size(one.json_bytes, one.values, one.wire_bytes + TAG_BYTES, 1)
    else:
        each = one + Size(SEPARATOR_BYTES, wire_bytes=2 * TAG_BYTES)
        if is_map(field):
            each += _text(bounds.max_key_length)
        many = each * bounds.max_items
        size = Size(many.json_bytes + 2, many.values + 1, many.wire_bytes, bounds.max_items)
    return size + Size(json_bytes=len(field.name) + SEPARATOR_BYTES)


def _value_size(field: FieldDescriptor) -> Size:
    bounds, value = bounds_of(field), value_field(field)
    if value.type == FieldDescriptor.TYPE_STRING:
        return _text(bounds.max_length) + Size(values=1)
    if value.type == FieldDescriptor.TYPE_BYTES:
        return Size(bounds.max_length * 4 // 3 + SEPARATOR_BYTES, 1, bounds.max_length)
    if value.message_type is None:
        return Size(SCALAR_BYTES, 1, TAG_BYTES)
    if value.message_type.full_name in FREE_FORM:
        each = Size(SCALAR_BYTES, 1, 3 * TAG_BYTES)
        return _text(bounds.max_length) + each * bounds.max_values
    if value.message_type.full_name.startswith(WELL_KNOWN):
        return Size(SCALAR_BYTES, 1, WELL_KNOWN_BYTES)
    held = message_size(value.message_type)
    return Size(held.json_bytes, held.values, held.wire_bytes)


def _text(chars: int) -> Size:
    return Size(chars * JSON_CHAR_BYTES + 2, 0, chars * UTF8_CHAR_BYTES)
