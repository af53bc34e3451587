"""Requests from HTTP: one compiled decoder for each route, strict, naming all that is wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from tenon_core.errors import FieldError, InvalidArgument
from tenon_gateway.transcoding.bodies import body_reader
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.mismatch import MAX_FAULTS, Mismatch
from tenon_gateway.transcoding.parameters import path_reader, query_fields, query_reader
from tenon_gateway.transcoding.routes import Route

# Decodes (path parameters, raw query string, body); raises InvalidArgument.
Decode = Callable[[Mapping[str, str], bytes, bytes], Message]


def compile_decoder(route: Route) -> Decode:
    """Return the function from an HTTP request to a route's request message."""
    from_path = path_reader(descriptor_of(route.request), route.parameters)
    from_query = query_reader(query_fields(route))
    from_body = body_reader(route)

    def decode(params: Mapping[str, str], query: bytes, body: bytes) -> Message:
        faults: list[FieldError] = []
        fields: dict[str, Any] = {}
        for read, source in ((from_path, params), (from_query, query), (from_body, body)):
            try:
                fields |= read(source)
            except Mismatch as mismatch:
                faults += mismatch.faults
        if faults:
            raise InvalidArgument(fields=faults[:MAX_FAULTS])
        return route.request(**fields)

    return decode
