"""What descriptors say about a field, in the terms of JSON."""

from collections.abc import Iterator
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

TIMESTAMP = "google.protobuf.Timestamp"


def descriptor_of(message: type[Message]) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)  # the stubs allow a second, equal class


def message_of(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


def enum_of(field: FieldDescriptor) -> EnumDescriptor:
    assert field.enum_type is not None
    return field.enum_type


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def map_value(field: FieldDescriptor) -> FieldDescriptor:
    """Return the value's field of a map; TypeError unless its keys are strings."""
    entry = message_of(field).fields_by_name
    if entry["key"].type != FieldDescriptor.TYPE_STRING:
        raise TypeError(f"{field.full_name}: only strings may be keys")
    return entry["value"]


def value_fields(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield the fields, and for maps the field of their values."""
    return (map_value(field) if is_map(field) else field for field in descriptor.fields)


def is_object(field: FieldDescriptor) -> bool:
    """Tell whether a value of the field is more than one word of text."""
    return field.message_type is not None and field.message_type.full_name != TIMESTAMP
