"""Requests made from the contract itself: every route and every RPC that names an organization."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import compile_routes
from tenon_gateway.transcoding.words import enum_words
from tenon_policy.policies import Access, MethodPolicy, load_policies

SCALARS: dict[int, Any] = {
    FieldDescriptor.TYPE_STRING: "x",
    FieldDescriptor.TYPE_BYTES: b"x",
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_INT32: 1,
    FieldDescriptor.TYPE_INT64: 1,
    FieldDescriptor.TYPE_DOUBLE: 1.0,
}
MAX_DEPTH = 5


@dataclass(frozen=True)
class OrgRoute:
    """A route below an organization."""

    method: str
    path: str
    request: Descriptor | None

    def url(self, ids: Mapping[str, str]) -> str:
        return self.path.format_map(ids)

    def body(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return a body that names these ids wherever the path does not."""
        if self.request is None:
            return {}
        fields = as_json(sample_message(message_of(self.request), ids))
        return {name: value for name, value in fields.items() if f"{{{name}}}" not in self.path}


def org_routes() -> list[OrgRoute]:
    """Return every route with an organization in its path, generated ones and hand-written ones."""
    compiled = [
        OrgRoute(route.method, route.path, body_of(route.request.DESCRIPTOR, route.body))
        for route in compile_routes(load_services())
    ]
    manual = [OrgRoute(operation.method, operation.path, None) for operation in OPERATIONS]
    return [route for route in (*compiled, *manual) if "{org_id}" in route.path]


def org_methods() -> list[tuple[MethodPolicy, Any]]:
    """Return every RPC for members of an organization, with its descriptor."""
    services = load_services()
    policies = load_policies(services)
    methods = [method for service in services for method in service.methods]
    described = [
        (policies[f"/{method.containing_service.full_name}/{method.name}"], method)
        for method in methods
    ]
    return [(policy, method) for policy, method in described if policy.access is Access.ORG]


def message_of(descriptor: Descriptor) -> Message:
    return GetMessageClass(descriptor)()


def as_json(message: Message) -> dict[str, Any]:
    """Return the fields that are set as the gateway takes them."""
    return {field.name: _json(field, value) for field, value in message.ListFields()}


def _json(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_json_item(field, item) for item in value]
    return _json_item(field, value)


def _json_item(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return as_json(value)
    return enum_words(field.enum_type)[value] if field.enum_type is not None else value


def body_of(request: Any, body: str) -> Any:
    """Return the message that a route takes as its body."""
    if body in ("", "*"):
        return request if body else None
    return request.fields_by_name[body].message_type


def sample_message(message: Message, ids: Mapping[str, str], depth: int = 0) -> Message:
    """Fill every field: ids by their names, everything else with something of its type."""
    seen: set[str] = set()
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.name in seen:
            continue
        if oneof is not None:
            seen.add(oneof.name)
        _fill(message, field, ids, depth)
    return message


def _fill(message: Message, field: Any, ids: Mapping[str, str], depth: int) -> None:
    if field.message_type is not None:
        if depth < MAX_DEPTH and not field.message_type.file.package.startswith("google"):
            target = getattr(message, field.name)
            if field.is_repeated:
                if not field.message_type.GetOptions().map_entry:
                    sample_message(target.add(), ids, depth + 1)
            else:
                target.SetInParent()
                sample_message(target, ids, depth + 1)
        return
    value = _scalar(field, ids)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _scalar(field: Any, ids: Mapping[str, str]) -> Any:
    if field.name in ids:
        return ids[field.name]
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    return SCALARS[field.type]
