"""The bounds of a request's fields, read from the protos (`tenon.options.v1.bounds`)."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenon.options.v1 import options_pb2

UUID_CHARS = 36
MAX_DEPTH = 32
"""Levels of lists and objects in a free-form value."""
FREE_FORM = frozenset(
    {"google.protobuf.ListValue", "google.protobuf.Struct", "google.protobuf.Value"}
)
WELL_KNOWN = "google.protobuf."
REQUIRED = "is required"
_TEXTS = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING)
UNBOUNDED = 2**31 - 1

Parts: TypeAlias = Callable[[Any], tuple[int, Iterable[Any]]]
"""Returns the characters of a free-form value itself, and the values that it holds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A field's bounds; see `options.proto`. The methods return what is wrong, or None."""

    min_length: int
    max_length: int
    min_items: int
    max_items: int
    max_key_length: int
    max_values: int
    minimum: int | None
    maximum: int | None
    required: bool
    format: str
    code: str

    def text_fault(self, value: Sized) -> str | None:
        """Check the length of a text or of bytes. An empty one is as good as absent."""
        if len(value) > self.max_length:
            return f"must have at most {self.max_length:,} characters"
        if 0 < len(value) < self.min_length:
            return f"must have at least {self.min_length:,} characters"
        return None

    def count_fault(self, value: Sized) -> str | None:
        """Check the number of items or entries."""
        if len(value) > self.max_items:
            return f"must have at most {self.max_items:,} items"
        if len(value) < self.min_items:
            return f"must have at least {self.min_items:,} items"
        return None

    def key_fault(self, key: Sized) -> str | None:
        if len(key) > self.max_key_length:
            return f"names must have at most {self.max_key_length:,} characters"
        return None

    def number_fault(self, value: float) -> str | None:
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:,}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum:,}"
        return None

    def free_form_fault(self, value: object, parts: Parts) -> str | None:
        """Check a free-form value with all that it holds, level by level up to the bounds."""
        seen = chars = 0
        level: list[object] = [value]
        for _ in range(MAX_DEPTH + 1):
            seen += len(level)
            held: list[object] = []
            for each in level:
                own, inner = parts(each)
                chars += own
                held.extend(inner)
                if seen + len(held) > self.max_values:
                    return f"must hold at most {self.max_values:,} values"
            if chars > self.max_length:
                return f"must hold at most {self.max_length:,} characters"
            if not held:
                return None
            level = held
        return f"must not be nested deeper than {MAX_DEPTH} levels"


@cache
def bounds_of(field: FieldDescriptor) -> Bounds:
    """Return a field's bounds; those of a map's values are the map's."""
    said = field.GetOptions().Extensions[options_pb2.bounds]
    length = said.max_length or (UUID_CHARS if said.format == "uuid" else UNBOUNDED)
    return Bounds(
        min_length=said.min_length,
        max_length=length,
        min_items=said.min_items,
        max_items=said.max_items or UNBOUNDED,
        max_key_length=said.max_key_length or UNBOUNDED,
        max_values=said.max_values or UNBOUNDED,
        minimum=said.minimum if said.HasField("minimum") else None,
        maximum=said.maximum if said.HasField("maximum") else None,
        required=said.required,
        format=said.format,
        code=said.code,
    )


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that has the type of each value: of a map its entries' `value`."""
    if not is_map(field):
        return field
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def missing_bounds(request: Descriptor) -> Iterator[str]:
    """Name each field of a request that lacks a maximum, with what it lacks."""
    for field in _fields_within(request):
        for missing in _missing(field):
            yield f"{field.full_name} has no {missing}"


def _fields_within(root: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield the fields of a message and of all messages of ours that it holds."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            yield field
            held = value_field(field).message_type
            if held is not None and not held.full_name.startswith(WELL_KNOWN):
                waiting.append(held)


def _missing(field: FieldDescriptor) -> Iterator[str]:
    bounds, value = bounds_of(field), value_field(field)
    free_form = value.message_type is not None and value.message_type.full_name in FREE_FORM
    if (value.type in _TEXTS or free_form) and bounds.max_length == UNBOUNDED:
        yield "max_length"
    if field.is_repeated and bounds.max_items == UNBOUNDED:
        yield "max_items"
    if is_map(field) and bounds.max_key_length == UNBOUNDED:
        yield "max_key_length"
    if free_form and bounds.max_values == UNBOUNDED:
        yield "max_values"
