"""The OpenAPI 3.1 document of the gateway, from the protos and what they say in comments."""

from collections import Counter
from collections.abc import Iterable, Sequence

from google.protobuf.descriptor import Descriptor

from tenon_gateway.transcoding.descriptors import load_comments, load_services
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.manual import ManualOperation
from tenon_gateway.transcoding.operations import (
    PROBLEM_REPLIES,
    PROBLEM_TYPE,
    Operations,
    tag_of,
)
from tenon_gateway.transcoding.routes import BadRoute, Route
from tenon_gateway.transcoding.schemas import Schema, Schemas, names_within
from tenon_policy.policies import load_policies

_TEXT: Schema = {"type": "string"}
_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Names the kind of error, as `code` does.",
        },
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": {"type": "string", "description": "Stable; programs go by it."},
        "request_id": _TEXT,
        "limit": {
            "type": "string",
            "description": "The limit that was reached, as `docs/limits.md` names it; only with"
            " the codes `limit_exceeded` and `quota_exceeded`.",
        },
        "errors": {
            "type": "array",
            "description": "The fields that are not valid.",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the request."},
                    "message": _TEXT,
                },
            },
        },
    },
}
_SECURITY: Schema = {
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-tenon_access",
        "description": "Set by log-in; over http on loopback it is `tenon_access_<port>`.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or API key."},
}


def compile_document(routes: Sequence[Route], extra: Sequence[ManualOperation] = ()) -> Schema:
    """Return the document; BadRoute if two operations have the same name or place."""
    schemas = Schemas(names_within(_replies(routes, extra)))
    operations = Operations(schemas, load_policies(load_services()))
    entries = [(route.path, route.method, operations.compiled(route)) for route in routes]
    entries += [(one.path, one.method, operations.manual(one)) for one in extra]
    _require_unique(entries)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tenon", "version": "1"},
        "servers": [{"url": "/"}],
        "tags": _tags(entries),
        "paths": _paths(entries),
        "components": {
            "schemas": {"Problem": _PROBLEM, **dict(sorted(schemas.components.items()))},
            "responses": _problem_replies(),
            "securitySchemes": _SECURITY,
        },
    }


Entry = tuple[str, str, Schema]


def _replies(routes: Iterable[Route], extra: Iterable[ManualOperation]) -> Iterable[Descriptor]:
    yield from (descriptor_of(route.response) for route in routes)
    for operation in extra:
        content = operation.reply
        if content is not None and content.message is not None:
            for field in descriptor_of(content.message).fields:
                if field.name not in content.omit and field.message_type is not None:
                    yield field.message_type


def _require_unique(entries: Iterable[Entry]) -> None:
    entries = list(entries)
    names = Counter(operation["operationId"] for _, _, operation in entries)
    places = Counter(f"{method} {path}" for path, method, _ in entries)
    twice = [name for name, count in (names + places).items() if count > 1]
    if twice:
        raise BadRoute(f"described twice: {', '.join(twice)}")


def _paths(entries: Iterable[Entry]) -> Schema:
    paths: Schema = {}
    for path, method, operation in sorted(entries, key=lambda entry: entry[:2]):
        paths.setdefault(path, {})[method.lower()] = operation
    return paths


def _tags(entries: Iterable[Entry]) -> list[Schema]:
    """Return the tags in use, with what the protos say of their services."""
    comments = load_comments()
    said = {
        tag_of(f"/{service.full_name}/"): comments.get(service.full_name)
        for service in load_services()
    }
    used = sorted({tag for _, _, operation in entries for tag in operation["tags"]})
    return [{"name": tag, "description": said.get(tag) or tag} for tag in used]


def _problem_replies() -> Schema:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        name: {"description": description, "content": content}
        for name, description in PROBLEM_REPLIES.values()
    }
