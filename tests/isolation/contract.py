"""The contract as an attacker reads it: every RPC, and every text of its request."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tenon_core.ids import uuid7
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import rpc_path, service_name
from tenon_policy.policies import Access, MethodPolicy, read_policy
from tenon_tenancy.clients import DATA_KEY_HOLDERS

Path: TypeAlias = tuple[str, ...]
"""A field of a request by the names that lead to it; a list's first item and a map's only entry
are passed through without a name of their own but `key` and `value`."""

VALUE = "google.protobuf.Value"
ALL = ("auth", "tenancy", "reports", "notifications")
SERVED_BY_SEVERAL = {"events": ALL, "privacy": ALL, "usage": ("reports", "notifications")}
MAX_DEPTH = 6
NOBODY = "nobody"
"""The name of a provider that nobody logs in by."""


@dataclass(frozen=True)
class Rpc:
    """A method and its policy, as its proto says it."""

    method: MethodDescriptor
    policy: MethodPolicy

    @property
    def name(self) -> str:
        return f"{self.method.containing_service.name}.{self.method.name}"

    @property
    def path(self) -> str:
        return rpc_path(self.method)

    @property
    def services(self) -> tuple[str, ...]:
        """Who serves it; each service has a feed of its own, and says what it holds of people, and
        those with data keys of organizations tell of them.
        """
        if self.method.containing_service.name == "DataKeyService":
            return DATA_KEY_HOLDERS
        name = service_name(self.method.full_name)
        return SERVED_BY_SEVERAL.get(name, (name,))

    def request(self) -> Message:
        return GetMessageClass(self.method.input_type)()


def rpcs(*kinds: Access) -> list[Rpc]:
    """Return the methods of these kinds of access, or all, by name."""
    methods = [method for service in load_services() for method in service.methods]
    found = [Rpc(method, read_policy(method)) for method in methods]
    return [rpc for rpc in found if not kinds or rpc.policy.access in kinds]


@cache
def texts(message: Descriptor) -> tuple[Path, ...]:
    """Return every text that a request can hold, however deep."""
    return tuple(_texts(message, 0))


def _texts(message: Descriptor, depth: int) -> Iterator[Path]:
    for field in message.fields:
        for rest in _texts_of(field, depth):
            yield (field.name, *rest)


def _texts_of(field: FieldDescriptor, depth: int) -> Iterator[Path]:
    if field.type == FieldDescriptor.TYPE_STRING:
        yield ()
    elif field.message_type is None or depth > MAX_DEPTH:
        return
    elif field.message_type.full_name == VALUE:
        yield ()
    elif _is_ours(field.message_type):
        yield from _texts(field.message_type, depth + 1)


def _is_ours(message: Descriptor) -> bool:
    return message.file.package.startswith("tenon.")


def names_something(path: Path) -> bool:
    """Say whether a text is an id, by its name."""
    name = path[-1]
    endings = ("_id", "_ids", "_token", "_ref")
    return name in ("id", "ids", "parent") or name.endswith(endings)


def bare_request(rpc: Rpc) -> Message:
    """Return a request that names what nobody made, and means nothing otherwise."""
    message = rpc.request()
    for path in texts(rpc.method.input_type):
        if names_something(path) and not path[-1].endswith("token"):
            put(message, path, str(uuid7()))
        if path == ("provider",):
            put(message, path, NOBODY)
    return message


def put(message: Message, path: Path, text: str) -> None:
    """Set a text of a request, and make on the way what leads to it."""
    name, rest = path[0], path[1:]
    field = message.DESCRIPTOR.fields_by_name[name]
    held = getattr(message, name)
    if _is_map(field):
        _put_entry(held, field, rest, text)
    elif field.message_type is not None:
        inner = (held[0] if held else held.add()) if field.is_repeated else held
        if rest:
            put(inner, rest, text)
        else:
            inner.string_value = text
    elif field.is_repeated:
        held[:] = [text]
    else:
        setattr(message, name, text)


def _put_entry(entries: Any, field: Any, rest: Path, text: str) -> None:
    """Replace a map by one entry whose key or value is this text."""
    kept = dict(entries)
    key, value = next(iter(kept.items()), ("x", ""))
    entries.clear()
    if rest == ("key",):
        if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
            entries[text] = value
        else:
            entries[text] = 1
    else:
        entries[key] = text


def holds(message: Message, path: Path) -> bool:
    """Say whether what holds the text is there, so that the text belongs to the request."""
    if len(path) == 1:
        return True
    name, rest = path[0], path[1:]
    held = getattr(message, name)
    if not message.DESCRIPTOR.fields_by_name[name].is_repeated:
        return message.HasField(name) and holds(held, rest)
    return bool(held) and (rest in (("key",), ("value",)) or holds(held[0], rest))


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)
