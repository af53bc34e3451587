"""For each bound of a request's fields: the largest value that is inside, and one that is over."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tenon_policy.bounds import FREE_FORM, Bounds, bounds_of, is_map, value_field

UPDATE_MASK = "update_mask"
INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
Word: TypeAlias = Callable[[EnumDescriptor], Any]
"""Returns what stands for an enum's first value."""


@dataclass(frozen=True)
class Extreme:
    """A pointer into a request, and requests with `inside` and `over` there."""

    pointer: str
    inside: Any
    over: Any


class Extremes:
    """Makes JSON forms of requests; `word` says how an enum is written."""

    def __init__(self, word: Word) -> None:
        self._word = word

    def of_message(self, message: Descriptor, omit: frozenset[str]) -> Iterator[Extreme]:
        """Yield each bound of a message's fields, within a message that is valid otherwise."""
        base = self.base(message, omit)
        for field in message.fields:
            if field.name in omit or field.name == UPDATE_MASK:
                continue
            others = _without_siblings(base, field)
            for each in self.of_field(field):
                yield Extreme(
                    f"/{field.name}{each.pointer}",
                    {**others, field.name: each.inside},
                    {**others, field.name: each.over},
                )

    def base(self, message: Descriptor, omit: frozenset[str] = frozenset()) -> dict[str, Any]:
        return {
            field.name: self._base_of(field)
            for field in message.fields
            if bounds_of(field).required and field.name not in omit
        }

    def of_field(self, field: FieldDescriptor) -> Iterator[Extreme]:
        bounds = bounds_of(field)
        if is_map(field):
            yield from self._of_map(field, bounds)
        elif field.is_repeated:
            one = self._value(field)
            yield Extreme("", [one] * bounds.max_items, [one] * (bounds.max_items + 1))
            for each in self._of_value(field, bounds):
                yield Extreme(f"/0{each.pointer}", [each.inside], [each.over])
        else:
            yield from self._of_value(field, bounds)

    def _of_map(self, field: FieldDescriptor, bounds: Bounds) -> Iterator[Extreme]:
        one = self._value(field)
        keys = [str(number) for number in range(bounds.max_items + 1)]
        yield Extreme("", dict.fromkeys(keys[1:], one), dict.fromkeys(keys, one))
        longest = "k" * bounds.max_key_length
        yield Extreme("", {longest: one}, {longest + "k": one})
        for each in self._of_value(field, bounds):
            yield Extreme(f"/k{each.pointer}", {"k": each.inside}, {"k": each.over})

    def _of_value(self, field: FieldDescriptor, bounds: Bounds) -> Iterator[Extreme]:
        value = value_field(field)
        if value.type == FieldDescriptor.TYPE_STRING:
            yield Extreme("", "x" * bounds.max_length, "x" * (bounds.max_length + 1))
        elif value.type == FieldDescriptor.TYPE_BYTES:
            inside, over = b"x" * bounds.max_length, b"x" * (bounds.max_length + 1)
            yield Extreme("", b64encode(inside).decode(), b64encode(over).decode())
        elif value.cpp_type in INTEGERS and value.enum_type is None:
            if bounds.maximum is not None:
                yield Extreme("", bounds.maximum, bounds.maximum + 1)
            if bounds.minimum is not None:
                yield Extreme("", bounds.minimum, bounds.minimum - 1)
        elif value.message_type is not None and value.message_type.full_name in FREE_FORM:
            yield from _of_free_form(value.message_type, bounds)
        elif value.message_type is not None and value.message_type.full_name.startswith("tenon."):
            yield from self.of_message(value.message_type, frozenset())

    def _base_of(self, field: FieldDescriptor) -> Any:
        one = self._value(field)
        if is_map(field):
            return {"k": one}
        return [one] if field.is_repeated else one

    def _value(self, field: FieldDescriptor) -> Any:
        value = value_field(field)
        if value.enum_type is not None:
            return self._word(value.enum_type)
        if value.message_type is not None:
            return (
                {} if value.message_type.full_name in FREE_FORM else self.base(value.message_type)
            )
        if value.type == FieldDescriptor.TYPE_BYTES:
            return ""
        return "x" if value.type == FieldDescriptor.TYPE_STRING else 1


def _of_free_form(kind: Descriptor, bounds: Bounds) -> Iterator[Extreme]:
    many, longest = [None] * (bounds.max_values - 1), "x" * (bounds.max_length - 1)
    if kind.name == "Struct":
        yield Extreme("", {"k": many[1:]}, {"k": many})
        yield Extreme("", {"k": longest}, {"k": longest + "x"})
    else:
        yield Extreme("", many, [*many, None])
        yield Extreme("", [longest + "x"], [longest + "xx"])


def _without_siblings(base: Mapping[str, Any], field: FieldDescriptor) -> dict[str, Any]:
    oneof = field.containing_oneof
    siblings = {each.name for each in oneof.fields} if oneof is not None else set()
    return {name: value for name, value in base.items() if name not in siblings}
