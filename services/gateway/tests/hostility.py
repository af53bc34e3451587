"""What a hostile client sends, and the routes of auth that write, which it is sent to."""

import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from io import BytesIO

from google.protobuf.message import Message

from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.manual import Content
from tenon_gateway.transcoding.routes import compile_routes

PREFIX = "/api/auth/"
SAFE = ("GET", "HEAD")
KIB, MIB = 1024, 1024 * 1024
INVALID = (422, "invalid_argument")
TOO_LARGE = (413, "body_too_large")
WRONG_TYPE = (415, "unsupported_media_type")


@dataclass(frozen=True)
class Target:
    """A route that writes; `names` are those of the members of its body."""

    method: str
    path: str
    names: tuple[str, ...]


def targets() -> list[Target]:
    compiled = [
        Target(route.method, route.path, _members(route.request) if route.body else ())
        for route in compile_routes(load_services())
    ]
    manual = [
        Target(one.method, one.path, _names(one.body) if one.body else ()) for one in OPERATIONS
    ]
    return [
        target
        for target in [*compiled, *manual]
        if target.path.startswith(PREFIX) and target.method not in SAFE
    ]


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


def _name(target: Target) -> bytes:
    return (target.names or ("email",))[0].encode()


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
        body = self.body(target) if callable(self.body) else self.body
        return BytesIO(body) if isinstance(body, bytes) else body


BODIES: dict[str, Hostile] = {
    "lists 100,000 deep": Hostile(b"[" * 100_000),
    "closed lists 100,000 deep": Hostile(b"[" * 100_000 + b"]" * 100_000),
    "objects 100,000 deep": Hostile(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a member 1,000 deep": Hostile(_member(b"[" * 1_000 + b"]" * 1_000)),
    "a million keys": Hostile(_keys(1_000_000), TOO_LARGE),
    "as many keys as fit": Hostile(_keys(100_000)),
    "a gigabyte in chunks": Hostile(lambda _: spaces(1024), TOO_LARGE),
    "more than fits": Hostile(b" " * (MIB + 1), TOO_LARGE),
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
