"""The services of the contract, and the comments that their protos carry."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

# Descriptor protos name their parts by field number; a comment's path is made of these.
_PARTS = {
    "FileDescriptorProto": {4: "message_type", 5: "enum_type", 6: "service"},
    "DescriptorProto": {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"},
    "EnumDescriptorProto": {2: "value"},
    "ServiceDescriptorProto": {2: "method"},
}


@cache
def _descriptor_set() -> FileDescriptorSet:
    return FileDescriptorSet.FromString((files("tenon") / "descriptors.binpb").read_bytes())


def load_services() -> list[ServiceDescriptor]:
    """Return every service in Tenon's protos, by full name."""
    modules = [
        import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        for file in _descriptor_set().file
        if file.service
    ]
    services = [
        service for module in modules for service in module.DESCRIPTOR.services_by_name.values()
    ]
    return sorted(services, key=lambda service: str(service.full_name))


@cache
def load_comments() -> Mapping[str, str]:
    """Return the leading comments of Tenon's protos by full name, e.g. `tenon.auth.v1.User.id`."""
    return dict(
        comment
        for file in _descriptor_set().file
        if file.package.startswith("tenon.")
        for comment in _comments(file)
    )


def _comments(file: FileDescriptorProto) -> Iterable[tuple[str, str]]:
    for location in file.source_code_info.location:
        text = " ".join(location.leading_comments.split())
        name = _name(file, location.path) if text else None
        if name:
            yield f"{file.package}.{name}", text


def _name(file: FileDescriptorProto, path: Iterable[int]) -> str | None:
    """Return the dotted name of what a comment's path leads to; None if it has no name."""
    names: list[str] = []
    steps = iter(path)
    part = file
    for number, index in zip(steps, steps, strict=False):
        attribute = _PARTS.get(part.DESCRIPTOR.name, {}).get(number)
        if attribute is None:
            return None
        part = getattr(part, attribute)[index]
        names.append(part.name)
    return ".".join(names) or None
