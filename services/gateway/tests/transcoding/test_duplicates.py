"""An object that names a member twice is refused: whoever looks at a request before us may go by
the other one.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import orjson
import pytest

from tenon_core.errors import InvalidArgument
from tenon_gateway.transcoding.bodies import _lost_a_member
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import compile_routes

(CREATE,) = (
    Decoder(route)
    for route in compile_routes(load_services())
    if route.rpc.endswith("/CreateOrganization")
)
CASES = 20_000
TWICE = (
    b'{"name": "a", "name": "b"}',
    b'{"name": "a", "name": null}',
    b'{"name": "a", "\\u006eame": "b"}',
    b'{"name": "a", "name": "\\u0022\\u0022"}',
    b'{"name": "a", "name": "\\"\\""}',
)
ONCE = (
    b'{"name": "a"}',
    b'{"name": "\\u0022"}',
    b'{"name": "\\\\u0022"}',
    b'{"name": "\\"\\\\\\u0022\\/"}',
    b'{"name": "name", "slug": "name"}',
)


@pytest.mark.parametrize("body", TWICE)
def test_a_member_that_is_named_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        CREATE({}, b"", body)
    assert refused.value.fields[0].message == "an object names a member twice"


@pytest.mark.parametrize("body", ONCE)
def test_what_only_looks_like_it_is_taken(body: bytes) -> None:
    CREATE({}, b"", body)


def test_whatever_is_written_it_is_found_exactly_where_it_is(seed: int) -> None:
    """Against a parser that looks at each object."""
    chance = Random(seed)  # noqa: S311 # repeatable, not secret
    found = set()
    for _ in range(CASES):
        body = _written(chance, 3)
        twice = _names_twice(body)
        assert _lost_a_member(body, orjson.loads(body)) is twice, body
        found.add(twice)
    assert found == {True, False}


def _names_twice(body: bytes) -> bool:
    seen: list[bool] = []

    def members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        seen.append(len({name for name, _ in pairs}) < len(pairs))
        return dict(pairs)

    json.loads(body, object_pairs_hook=members)
    return any(seen)


def _written(chance: Random, depth: int) -> bytes:
    """Write a value of few names and of strings full of quotes and escapes."""
    kind = chance.randrange(4) if depth else 0
    if kind == 0:
        return _text(chance)
    if kind == 1:
        return b"[" + b", ".join(_written(chance, depth - 1) for _ in range(2)) + b"]"
    members = (_text(chance) + b": " + _written(chance, depth - 1) for _ in range(2))
    return b"{" + b",".join(members) + b"}"


def _text(chance: Random) -> bytes:
    pieces = (b"", b"u0022", b'\\"', b"\\u0022", b"\\\\", b"\\/", b"a")
    return b'"' + b"".join(chance.choices(pieces, k=chance.randrange(4))) + b'"'
