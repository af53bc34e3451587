"""The bounds of a request's field as keywords of JSON Schema."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from tenon_policy.bounds import UNBOUNDED, bounds_of, is_map


def value_keywords(field: FieldDescriptor, one: FieldDescriptor) -> dict[str, Any]:
    """Return the bounds of a single value of a field, which has the type of `one`."""
    bounds = bounds_of(field)
    if one.type == FieldDescriptor.TYPE_STRING:
        least = max(bounds.min_length, 1) if bounds.required else bounds.min_length
        return _given(minLength=least, maxLength=_bounded(bounds.max_length), format=bounds.format)
    if one.message_type is not None or one.enum_type is not None:
        return {}
    numbers = {"minimum": bounds.minimum, "maximum": bounds.maximum}
    return {name: value for name, value in numbers.items() if value is not None}


def size_keywords(field: FieldDescriptor) -> dict[str, Any]:
    """Return the bounds of a list or a map as a whole."""
    bounds = bounds_of(field)
    least, most = bounds.min_items, _bounded(bounds.max_items)
    if not is_map(field):
        return _given(minItems=least, maxItems=most)
    longest = _bounded(bounds.max_key_length)
    names = {"maxLength": longest} if longest else None
    return _given(minProperties=least, maxProperties=most, propertyNames=names)


def _bounded(limit: int) -> int | None:
    return None if limit == UNBOUNDED else limit


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value}
