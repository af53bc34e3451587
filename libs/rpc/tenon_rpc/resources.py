"""What a request is about, for the audit log: `datasets/<id>`, from the names of its fields."""

from collections.abc import Callable
from operator import attrgetter
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Resource: TypeAlias = Callable[[Message], str]

SUFFIX = "_id"
SCOPE = "org_id"
DEPTH = 2


def resource_of(request: Descriptor) -> Resource:
    """Compile the reader of a request's ids: those that are set, as `<noun>s/<id>`, by `/`."""
    readers = [(f"{noun}s/", attrgetter(path)) for noun, path in _ids(request, "", DEPTH)]

    def resource(message: Message) -> str:
        found = ((prefix, read(message)) for prefix, read in readers)
        return "/".join(prefix + value for prefix, value in found if value)

    return resource


def _ids(message: Descriptor, path: str, depth: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field in message.fields:
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_STRING and field.name.endswith(SUFFIX):
            if field.name != SCOPE:
                found.append((field.name.removesuffix(SUFFIX), path + field.name))
        elif depth > 1 and field.message_type and _is_ours(field.message_type):
            found += _ids(field.message_type, f"{path}{field.name}.", depth - 1)
    return found


def _is_ours(message: Descriptor) -> bool:
    return message.file.package.startswith("tenon.")
