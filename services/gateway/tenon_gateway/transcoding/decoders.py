"""Requests from HTTP: one compiled decoder for each route, strict, naming all that is wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from tenon_core.errors import FieldError, invalid_fields
from tenon_gateway.transcoding.bodies import body_bounds, body_reader
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.mismatch import MAX_FAULTS, Mismatch
from tenon_gateway.transcoding.parameters import path_reader, query_fields, query_reader
from tenon_gateway.transcoding.routes import Route

LONG_LIST = 100

Read = Callable[[Any], dict[str, Any]]


class Decoder:
    """Makes a route's request message of an HTTP request, whose body has at most `max_bytes`."""

    def __init__(self, route: Route) -> None:
        self.max_bytes = body_bounds(route).json_bytes
        self._make = route.request
        self._from_path = path_reader(descriptor_of(route.request), route.parameters)
        self._from_query = query_reader(query_fields(route))
        self._from_body = body_reader(route)

    def __call__(self, params: Mapping[str, str], query: bytes, body: bytes) -> Message:
        """Decode path parameters, raw query string and body; InvalidArgument, BodyTooLarge."""
        faults: list[FieldError] = []
        fields: dict[str, Any] = {}
        sources: tuple[tuple[Read, Any], ...] = (
            (self._from_path, params),
            (self._from_query, query),
            (self._from_body, body),
        )
        for read, source in sources:
            try:
                fields |= read(source)
            except Mismatch as mismatch:
                faults += mismatch.faults
        if faults:
            raise invalid_fields(faults[:MAX_FAULTS])
        return _made(self._make, fields)


def _made(make: type[Message], fields: dict[str, Any]) -> Message:
    """Make a message; long lists of messages item by item, so that other threads get their turn."""
    long = {name: fields.pop(name) for name in [*fields] if _is_long(fields[name])}
    message = make(**fields)
    for name, items in long.items():
        add = getattr(message, name).add
        for item in items:
            add(**item)
    return message


def _is_long(value: Any) -> bool:
    return type(value) is list and len(value) > LONG_LIST and type(value[0]) is dict
