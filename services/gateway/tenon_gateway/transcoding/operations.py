"""Operations of the OpenAPI document: one for each route."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenon_gateway.transcoding.descriptors import load_comments
from tenon_gateway.transcoding.fields import descriptor_of, message_of
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation
from tenon_gateway.transcoding.parameters import query_fields
from tenon_gateway.transcoding.routes import PARAMETER, WHOLE_BODY, Route
from tenon_gateway.transcoding.schemas import Schema, Schemas, described
from tenon_policy.bounds import bounds_of
from tenon_policy.policies import Access, MethodPolicy, Role

PROBLEM_REPLIES = {
    401: ("Unauthenticated", "There is no live session or key behind the request."),
    403: ("Forbidden", "The caller's role is too low, or the request comes from another site."),
    404: ("NotFound", "There is no such thing, or the caller is no member of the organization."),
    422: ("Invalid", "Some fields are not valid; `errors` names each."),
    429: ("TooManyRequests", "Too many requests; `Retry-After` says when to come back."),
}

_FAILS_WITH = re.compile(r"Fails with (.*)")
_CODE = re.compile(r"`(\w+)`")
_SENTENCE_END = re.compile(r"(?<=[.])\s+(?=[A-Z])")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Operations:
    """Makes operations, and puts the schemas that they need into `schemas`."""

    def __init__(self, schemas: Schemas, policies: Mapping[str, MethodPolicy]) -> None:
        self._schemas = schemas
        self._policies = policies

    def compiled(self, route: Route) -> Schema:
        """Describe a route that was compiled from the protos."""
        comment = load_comments().get(dotted(route.rpc), "")
        parameters = [*self._path(route), *self._query(route)]
        body = self._body(route)
        return {
            **_heading(route.rpc.rpartition("/")[2], tag_of(route.rpc), comment),
            **_unless_empty("parameters", parameters),
            **_unless_empty("requestBody", body),
            "responses": {
                **_success(route.status, self._reply(route), JSON),
                **_failures(route.policy, comment, takes_input=bool(body or query_fields(route))),
            },
            **_access(route.policy),
        }

    def manual(self, operation: ManualOperation) -> Schema:
        """Describe a route that is written by hand."""
        rpc = operation.rpcs[0] if operation.rpcs else None
        policy = self._policies[rpc] if rpc else None
        comment = operation.summary or (load_comments().get(dotted(rpc), "") if rpc else "")
        name = operation.name or (rpc or "").rpartition("/")[2]
        reply = operation.reply or Content()
        return {
            **_heading(name, operation.tag or tag_of(rpc or ""), comment),
            **_unless_empty("parameters", self._manual_parameters(operation)),
            **_unless_empty("requestBody", self._manual_body(operation)),
            "responses": {
                **_success(operation.status, self._content(reply, request=False), reply.media_type),
                **_failures(policy, comment, takes_input=bool(operation.body or operation.query)),
            },
            **_access(policy),
        }

    def _path(self, route: Route) -> list[Schema]:
        fields = descriptor_of(route.request).fields_by_name
        return [
            {**self._parameter(fields[name]), "in": "path", "required": True}
            for name in route.parameters
        ]

    def _query(self, route: Route) -> list[Schema]:
        return [
            {**self._parameter(field), "in": "query", "required": bounds_of(field).required}
            for field in query_fields(route)
        ]

    def _parameter(self, field: FieldDescriptor) -> Schema:
        schema = self._schemas.field(field, request=True)
        description = schema.pop("description", None)
        return described({"name": field.name, "schema": schema}, description)

    def _manual_parameters(self, operation: ManualOperation) -> list[Schema]:
        """Describe a parameter as the request's field of its name, if there is one."""
        fields = _request_fields(operation.rpcs[0]) if operation.rpcs else {}
        in_path = [
            {
                "name": name,
                "schema": {"type": "string"},
                **(self._parameter(fields[name]) if name in fields else {}),
                "in": "path",
                "required": True,
            }
            for name in PARAMETER.findall(operation.path)
        ]
        in_query = [
            {"name": name, "in": "query", "schema": dict(schema)}
            for name, schema in operation.query.items()
        ]
        return in_path + in_query

    def _body(self, route: Route) -> Schema:
        if not route.body:
            return {}
        descriptor = descriptor_of(route.request)
        if route.body != WHOLE_BODY:
            return _json(self._schemas.request(message_of(descriptor.fields_by_name[route.body])))
        schema = self._schemas.members(descriptor, request=True, omit=route.parameters)
        return _json(schema) if schema["properties"] else {}

    def _reply(self, route: Route) -> Schema:
        descriptor: Descriptor = descriptor_of(route.response)
        if route.response_body:
            descriptor = message_of(descriptor.fields_by_name[route.response_body])
        return self._schemas.reply(descriptor) if descriptor.fields else {}

    def _manual_body(self, operation: ManualOperation) -> Schema:
        if operation.body is None:
            return {}
        schema = self._content(operation.body, request=True)
        return _json(schema, operation.body.media_type)

    def _content(self, content: Content, *, request: bool) -> Schema:
        if content.message is None:
            return dict(content.schema)
        descriptor = descriptor_of(content.message)
        schema = self._schemas.members(descriptor, request=request, omit=content.omit)
        schema["properties"] |= content.extra
        if not request:
            schema["required"] = [
                name for name in schema["properties"] if name not in content.optional
            ]
        return schema


def _request_fields(rpc: str) -> Mapping[str, FieldDescriptor]:
    service, _, name = rpc.removeprefix("/").partition("/")
    method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    return dict(method.input_type.fields_by_name)


def dotted(rpc: str) -> str:
    """Return the full name of an RPC's path: `/a.v1.B/C` is `a.v1.B.C`."""
    return rpc.removeprefix("/").replace("/", ".")


def tag_of(rpc: str) -> str:
    """Return the tag of an RPC's service: that of `AuditEventService` is `Audit event`."""
    service = rpc.rpartition("/")[0].rpartition(".")[2].removesuffix("Service")
    return _WORD_START.sub(" ", service).capitalize()


def _heading(name: str, tag: str, comment: str) -> Schema:
    heading = {"operationId": name[:1].lower() + name[1:], "tags": [tag]}
    if not comment:
        return heading
    return {**heading, "summary": _SENTENCE_END.split(comment)[0], "description": comment}


def _success(status: int, schema: Schema, media_type: str) -> Schema:
    reply: Schema = {"description": HTTPStatus(status).phrase}
    if schema:
        reply["content"] = {media_type: {"schema": schema}}
    return {str(status): reply}


def _failures(policy: MethodPolicy | None, comment: str, *, takes_input: bool) -> Schema:
    codes = failure_codes(comment)
    statuses = set(_statuses(policy))
    if takes_input or "invalid_argument" in codes:
        statuses.add(422)
    replies: Schema = {
        str(status): {"$ref": f"#/components/responses/{PROBLEM_REPLIES[status][0]}"}
        for status in sorted(statuses)
    }
    if codes:
        replies["4XX"] = {
            "description": "`code` says why: " + ", ".join(f"`{code}`" for code in codes) + ".",
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "x-codes": codes,
        }
    return replies


PROBLEM_TYPE = "application/problem+json"


def failure_codes(comment: str) -> list[str]:
    """Return the codes that an RPC's comment names: "Fails with `a`, `b`."."""
    return [code for said in _FAILS_WITH.findall(comment) for code in _CODE.findall(said)]


def _statuses(policy: MethodPolicy | None) -> Iterable[int]:
    if policy is None:
        return
    if policy.access is not Access.PUBLIC:
        yield 401
    if policy.access is Access.ORG:
        yield from (403, 404)
    elif policy.recent_auth:
        yield 403
    if policy.rate:
        yield 429


def _access(policy: MethodPolicy | None) -> Schema:
    if policy is None or policy.access is Access.PUBLIC:
        return {"security": []}
    said: Schema = {"security": [{"cookie": []}, {"bearer": []}]}
    if policy.permission:
        said["x-permission"] = policy.permission
    if policy.min_role is not Role.NONE:
        said["x-min-role"] = policy.min_role.name.lower()
    if policy.people_only:
        said["x-people-only"] = True
    if policy.recent_auth:
        said["x-recent-auth"] = True
    return said


def _json(schema: Schema, media_type: str = JSON) -> Schema:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _unless_empty(key: str, value: Sequence[Any] | Mapping[str, Any]) -> Schema:
    return {key: value} if value else {}
