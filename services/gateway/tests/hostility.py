"""What a hostile client sends, and the routes that take a body, which it is sent to."""

import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tenon_gateway.clients.rpcs import INTERNAL
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.bodies import HARMLESS_VALUES, body_bounds
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.fields import descriptor_of, message_of
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation
from tenon_gateway.transcoding.routes import WHOLE_BODY, Route, compile_routes, rpc_path
from tenon_gateway.transcoding.value_counts import holds_more_values
from tenon_policy.sizes import SPACE_BYTES, body_size

PREFIX = "/api/auth/"
SAFE = ("GET", "HEAD")
KIB, MIB = 1024, 1024 * 1024
INVALID = (422, "invalid_argument")
TOO_LARGE = (413, "body_too_large")
WRONG_TYPE = (415, "unsupported_media_type")


@dataclass(frozen=True)
class Target:
    """A route that writes; `names` are those of the members of its body, which has at most
    `max_bytes`.
    """

    method: str
    path: str
    names: tuple[str, ...]
    max_bytes: int


def targets() -> list[Target]:
    return [
        target
        for target in [*map(_compiled, compile_routes(load_services())), *_manual()]
        if target.method not in SAFE
    ]


def _compiled(route: Route) -> Target:
    message = route.request
    if route.body not in ("", WHOLE_BODY):
        message = GetMessageClass(message_of(descriptor_of(message).fields_by_name[route.body]))
    names = [name for name in _members(message) if name not in route.parameters]
    max_bytes = body_bounds(route).json_bytes
    return Target(route.method, route.path, tuple(names) if route.body else (), max_bytes)


def _manual() -> Iterator[Target]:
    """Yield the routes that are written by hand, but for those of files."""
    for one in OPERATIONS:
        if one.body is None:
            yield Target(one.method, one.path, (), SPACE_BYTES)
        elif one.body.media_type == JSON:
            max_bytes = body_size(descriptor_of(_request(one)), INTERNAL).json_bytes
            yield Target(one.method, one.path, _names(one.body), max_bytes)


def _request(operation: ManualOperation) -> type[Message]:
    (method,) = (
        method
        for service in load_services()
        for method in service.methods
        if rpc_path(method) == operation.rpcs[0]
    )
    return GetMessageClass(method.input_type)


def _members(message: type[Message]) -> tuple[str, ...]:
    return tuple(field.name for field in descriptor_of(message).fields)


def _names(body: Content) -> tuple[str, ...]:
    if body.message is None:
        return tuple(body.schema.get("properties", ()))
    return tuple(name for name in _members(body.message) if name not in body.omit)


async def spaces(mebibytes: int) -> AsyncIterator[bytes]:
    """Yield a body of unknown length, until nobody listens any more."""
    for _ in range(mebibytes * 16):
        yield b" " * (64 * KIB)


def _keys(count: int) -> bytes:
    return b"{" + b",".join(b'"%d":1' % number for number in range(count)) + b"}"


def _gzip_bomb() -> bytes:
    return gzip.compress(b" " * (1000 * MIB // 2), compresslevel=9)


def _member(value: bytes) -> Callable[[Target], bytes]:
    """Return what writes a body with one member, known to the route if it knows any."""
    return lambda target: b'{"%s": %s}' % (_name(target), value)


def _items(target: Target, item: bytes) -> bytes:
    count = (min(target.max_bytes, 14 * MIB) - 200) // (len(item) + 1)
    return b'{"%s": [%s]}' % (_name(target), b",".join([item] * count))


def _name(target: Target) -> bytes:
    return (target.names or ("email",))[-1].encode()


def _twice(target: Target) -> bytes:
    return b'{"%s": "a", "%s": "b"}' % (_name(target), _name(target))


@dataclass(frozen=True)
class Hostile:
    """A body, as a value or by the route that it is for, and how it has to be refused."""

    body: object
    told: tuple[int, str] = INVALID
    content_type: str = "application/json"
    encoding: str = ""

    def made(self, target: Target) -> object:
        return self.body(target) if callable(self.body) else self.body

    def answers(self, target: Target, body: object) -> set[tuple[int, str]]:
        """Return how a route may refuse it: by its size first."""
        if not isinstance(body, bytes) or self.told == WRONG_TYPE:
            return {self.told, TOO_LARGE}
        large = len(body) > target.max_bytes or holds_more_values(body, HARMLESS_VALUES)
        if self.told == TOO_LARGE or len(body) > target.max_bytes:
            return {TOO_LARGE}
        return {self.told, TOO_LARGE} if large else {self.told}


BODIES: dict[str, Hostile] = {
    "lists 100,000 deep": Hostile(b"[" * 100_000),
    "closed lists 100,000 deep": Hostile(b"[" * 100_000 + b"]" * 100_000),
    "objects 100,000 deep": Hostile(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a member 1,000 deep": Hostile(_member(b"[" * 1_000 + b"]" * 1_000)),
    "a million keys": Hostile(_keys(1_000_000)),
    "100,000 keys": Hostile(_keys(100_000)),
    "a gigabyte in chunks": Hostile(lambda _: spaces(1024), TOO_LARGE),
    "more than fits": Hostile(lambda target: b" " * (target.max_bytes + 1), TOO_LARGE),
    "as many items as fit": Hostile(lambda target: _items(target, b"{}")),
    "as many texts as fit": Hostile(lambda target: _items(target, b'""')),
    "a gzip bomb": Hostile(_gzip_bomb(), WRONG_TYPE, encoding="gzip"),
    "gzip": Hostile(gzip.compress(b"{}"), WRONG_TYPE, encoding="gzip"),
    "brotli": Hostile(b"{}", WRONG_TYPE, encoding="br"),
    "no type": Hostile(b'{"a": 1}', WRONG_TYPE, content_type=""),
    "text": Hostile(b'{"a": 1}', WRONG_TYPE, content_type="text/plain"),
    "a form": Hostile(b"a=1", WRONG_TYPE, content_type="application/x-www-form-urlencoded"),
    "parts": Hostile(b"--x", WRONG_TYPE, content_type="multipart/form-data; boundary=x"),
    "a list": Hostile(b"[]"),
    "a string": Hostile(b'"x"'),
    "null": Hostile(b"null"),
    "a number": Hostile(b"1"),
    "half": Hostile(b"{"),
    "two documents": Hostile(b"{}{}"),
    "invalid UTF-8": Hostile(_member(b'"\xc3\x28"')),
    "UTF-16": Hostile('{"a": 1}'.encode("utf-16")),
    "raw NUL bytes": Hostile(_member(b'"a\x00b"')),
    "escaped NUL": Hostile(_member(b'"a\\u0000b"')),
    "a lone surrogate": Hostile(_member(b'"\\ud800"')),
    "a reversed pair": Hostile(_member(b'"\\udc00\\ud800"')),
    "a member twice": Hostile(_twice),
    "a huge number": Hostile(_member(b"1e400")),
    "a number of 100,000 digits": Hostile(_member(b"9" * 100_000)),
    "not a number": Hostile(_member(b"NaN")),
    "an unknown member": Hostile(b'{"__proto__": {"admin": true}}'),
}
