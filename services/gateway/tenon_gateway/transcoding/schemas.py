"""JSON schemas of messages, as OpenAPI 3.1 components.

A message has one schema in replies, where every field is present, and another, with `Input` at
the end of its name, in requests, where only what is required must be there.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tenon.options.v1 import options_pb2
from tenon_gateway.transcoding.bound_keywords import size_keywords, value_keywords
from tenon_gateway.transcoding.descriptors import load_comments
from tenon_gateway.transcoding.fields import (
    enum_of,
    is_map,
    map_value,
    message_of,
    value_fields,
)
from tenon_gateway.transcoding.routes import UPDATE_MASK, service_name
from tenon_gateway.transcoding.words import enum_words
from tenon_policy.bounds import bounds_of

Schema = dict[str, Any]

_SCALARS: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "integer", "format": "int64", "minimum": 0},
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {},
}
# What the fields of every list are, so that no proto has to repeat it.
_CONVENTIONS = {
    "page_size": "How many to return: 1 to 100; 0 means 50, and more than 100 means 100.",
    "page_token": "The `next_page_token` of the page before; empty for the first page.",
    "next_page_token": "The `page_token` of the next page; empty after the last one.",
}


class Schemas:
    """The components made so far. `replied` are the names of all fields that replies hold."""

    def __init__(self, replied: Collection[str] = ()) -> None:
        self.components: dict[str, Schema] = {}
        self._owners: dict[str, str] = {}
        self._replied = replied

    def reply(self, descriptor: Descriptor) -> Schema:
        """Return a reference to what a message is in a reply."""
        return self._component(descriptor, self._name(descriptor), request=False)

    def request(self, descriptor: Descriptor) -> Schema:
        """Return a reference to what a message is in a request."""
        return self._component(descriptor, self._name(descriptor) + "Input", request=True)

    def members(
        self, descriptor: Descriptor, *, request: bool, omit: Collection[str] = ()
    ) -> Schema:
        """Return the object of a message's fields, but for some."""
        left_out = {*omit, UPDATE_MASK} if request else set(omit)
        fields = [field for field in descriptor.fields if field.name not in left_out]
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self.field(field, request=request) for field in fields},
        }
        if request:
            schema |= _required(fields)
            schema["additionalProperties"] = False
        elif fields:
            schema["required"] = [field.name for field in fields]
        if request and UPDATE_MASK in descriptor.fields_by_name:
            return described(schema, "Changes the members that are present; null clears one.")
        return described(schema, load_comments().get(descriptor.full_name))

    def field(self, field: FieldDescriptor, *, request: bool) -> Schema:
        """Return the schema of a whole field with its comment."""
        schema = self._shape(field, request=request)
        if not request and _may_be_null(field):
            schema = _or_null(schema)
        if request and _is_sensitive(field) and field.name not in self._replied:
            schema = {**schema, "writeOnly": True}
        comment = load_comments().get(field.full_name) or _CONVENTIONS.get(field.name)
        return described(schema, comment)

    def _shape(self, field: FieldDescriptor, *, request: bool) -> Schema:
        one = map_value(field) if is_map(field) else field
        value = self._value(one, request=request)
        value |= value_keywords(field, one) if request else {}
        if is_map(field):
            schema: Schema = {"type": "object", "additionalProperties": value}
        elif field.is_repeated:
            schema = {"type": "array", "items": value}
        else:
            return value
        return schema | (size_keywords(field) if request else {})

    def _value(self, field: FieldDescriptor, *, request: bool) -> Schema:
        if field.message_type is not None:
            return self._message(message_of(field), request=request)
        if field.enum_type is not None:
            return self._enum(enum_of(field))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return dict(_SCALARS[field.cpp_type])

    def _message(self, descriptor: Descriptor, *, request: bool) -> Schema:
        if descriptor.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[descriptor.full_name])
        return self.request(descriptor) if request else self.reply(descriptor)

    def _component(self, descriptor: Descriptor, name: str, *, request: bool) -> Schema:
        if name not in self.components:
            self.components[name] = {}  # ends the recursion of a message that holds itself
            self.components[name] = self.members(descriptor, request=request)
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, enum: EnumDescriptor) -> Schema:
        name = self._name(enum)
        if name not in self.components:
            schema: Schema = {"type": "string", "enum": list(enum_words(enum).values())}
            self.components[name] = described(schema, _enum_comment(enum))
        return {"$ref": f"#/components/schemas/{name}"}

    def _name(self, named: Descriptor | EnumDescriptor) -> str:
        """Return the short name, and the service before it where two have the same."""
        inner = str(named.full_name).removeprefix(f"{named.file.package}.")
        name = inner.replace(".", "")
        if self._owners.setdefault(name, named.full_name) == named.full_name:
            return name
        return service_name(named.full_name).capitalize() + name


def _required(fields: Iterable[FieldDescriptor]) -> Schema:
    names = [field.name for field in fields if bounds_of(field).required]
    return {"required": names} if names else {}


def described(schema: Schema, text: str | None) -> Schema:
    return {**schema, "description": text} if text else schema


def names_within(descriptors: Iterable[Descriptor]) -> set[str]:
    """Return the names of all fields of these messages and of those that they hold."""
    seen: set[str] = set()
    names: set[str] = set()
    waiting = list(descriptors)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name not in seen:
            seen.add(descriptor.full_name)
            names |= {field.name for field in descriptor.fields}
            waiting += [f.message_type for f in value_fields(descriptor) if f.message_type]
    return names


def _may_be_null(field: FieldDescriptor) -> bool:
    return not field.is_repeated and (field.has_presence or field.enum_type is not None)


def _or_null(schema: Mapping[str, Any]) -> Schema:
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [dict(schema), {"type": "null"}]} if schema else {}


def _is_sensitive(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[options_pb2.sensitive])


def _enum_comment(enum: EnumDescriptor) -> str:
    comments = load_comments()
    package = enum.full_name
    words = enum_words(enum)
    lines = [comments.get(package, "")]
    lines += [
        f"- `{words[value.number]}`: {comments[f'{package}.{value.name}']}"
        for value in enum.values
        if value.number in words and f"{package}.{value.name}" in comments
    ]
    return "\n".join(line for line in lines if line)
