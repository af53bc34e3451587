"""Checks of a request message against the bounds of its fields, compiled once per message type."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenon_core.errors import FieldError
from tenon_policy.bounds import (
    FREE_FORM,
    REQUIRED,
    WELL_KNOWN,
    bounds_of,
    is_map,
    value_field,
)

MAX_FAULTS = 20
"""They travel in metadata, which has to stay small."""

Check: TypeAlias = Callable[[Any, str], Iterator[FieldError]]
"""Takes a value and its pointer, and yields what is wrong with it."""

_NUMBERS = {
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_FLOAT,
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


def faults(message: Any) -> list[FieldError]:
    """Return what is wrong with a request, or the first of it."""
    return list(islice(_message_check(message.DESCRIPTOR)(message, ""), MAX_FAULTS))


@cache
def _message_check(descriptor: Descriptor) -> Check:
    checks = [check for field in descriptor.fields for check in _field_checks(field)]

    def check(message: Any, at: str) -> Iterator[FieldError]:
        for one in checks:
            yield from one(message, at)

    return check


def _field_checks(field: FieldDescriptor) -> Iterator[Check]:
    """Yield what is to be checked of a field, nothing where it has no bounds."""
    if bounds_of(field).required:
        yield _required(field)
    if field.is_repeated:
        yield _many(field)
    elif (one := _value_check(field)) is not None:
        yield _single(field, one)


def _required(field: FieldDescriptor) -> Check:
    name, code = field.name, bounds_of(field).code
    is_message = field.message_type is not None

    def check(message: Any, at: str) -> Iterator[FieldError]:
        if not (message.HasField(name) if is_message else getattr(message, name)):
            yield FieldError(f"{at}/{name}", REQUIRED, code)

    return check


def _single(field: FieldDescriptor, one: Check) -> Check:
    name, has_presence = field.name, field.has_presence

    def check(message: Any, at: str) -> Iterator[FieldError]:
        if not has_presence or message.HasField(name):
            yield from one(getattr(message, name), f"{at}/{name}")

    return check


def _many(field: FieldDescriptor) -> Check:
    """Return the check of a list or a map: first of its size, then of what it holds."""
    name, bounds = field.name, bounds_of(field)
    keyed = is_map(field)
    each = _each(field, keyed=keyed)

    def check(message: Any, at: str) -> Iterator[FieldError]:
        items = getattr(message, name)
        fault = bounds.count_fault(items)
        if keyed and not fault:
            fault = next(filter(None, map(bounds.key_fault, items)), None)
        if fault:
            yield FieldError(f"{at}/{name}", fault, bounds.code)
        else:
            yield from each(items, f"{at}/{name}")

    return check


def _each(field: FieldDescriptor, *, keyed: bool) -> Check:
    """Return the check of all values of a list or a map; scalars are first looked at together."""
    find, one = _find_fault(field), _value_check(field)
    if one is None:
        return lambda _items, _at: iter(())

    def check(items: Any, at: str) -> Iterator[FieldError]:
        values = items.values() if keyed else items
        if find is None or any(map(find, values)):
            for key, value in items.items() if keyed else enumerate(items):
                yield from one(value, f"{at}/{key}")

    return check


def _value_check(field: FieldDescriptor) -> Check | None:
    """Return the check of one value of a field; None if its type cannot be out of bounds."""
    held = value_field(field).message_type
    if held is not None and not held.full_name.startswith(WELL_KNOWN):
        return _message_check(held)
    find, code = _find_fault(field), bounds_of(field).code
    if find is None:
        return None

    def check(value: Any, at: str) -> Iterator[FieldError]:
        if fault := find(value):
            yield FieldError(at, fault, code)

    return check


def _find_fault(field: FieldDescriptor) -> Callable[[Any], str | None] | None:
    """Return what finds the fault of a value that is no message of ours."""
    bounds, value = bounds_of(field), value_field(field)
    if value.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING):
        return bounds.text_fault
    if value.message_type is not None and value.message_type.full_name in FREE_FORM:
        return lambda message: bounds.free_form_fault(message, _parts)
    bounded = bounds.minimum is not None or bounds.maximum is not None
    return bounds.number_fault if bounded and value.cpp_type in _NUMBERS else None


def _parts(value: Any) -> tuple[int, Iterable[Any]]:
    """Return the characters of a free-form value itself, and the values that it holds."""
    if value.DESCRIPTOR.name == "Value":
        held = value.WhichOneof("kind")
        if held == "string_value":
            return len(value.string_value), ()
        if held not in ("struct_value", "list_value"):
            return 0, ()
        value = getattr(value, held)
    if value.DESCRIPTOR.name == "Struct":
        return sum(map(len, value.fields)), value.fields.values()
    return 0, value.values
