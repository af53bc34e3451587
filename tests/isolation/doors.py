"""The two ways in: the gateway, and each service past the gateway; and what they reply."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import orjson
from aiohttp import ClientSession
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import Metadata

from tenon_core.errors import TenonError
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import compile_routes
from tenon_gateway.transcoding.words import enum_words
from tests.isolation.contract import Rpc

CSV = b"when,who\n2026-01-01T00:00:00Z,ada\n,nobody\n"
ALWAYS_NEW = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z"
    r'|"slug": ?"[\w-]+"|tnk_\w+|whsec_[\w+/=]+'
)
TOLD_HEADERS = ("content-type", "location", "www-authenticate", "allow")


@dataclass(frozen=True)
class Reply:
    """All that a door told. `reason` is empty for a success."""

    reason: str
    text: str

    def masked(self, sent: list[str]) -> "Reply":
        """Take out what was sent, and what differs from one call to the next."""
        text = self.text
        for value in sorted(sent, key=len, reverse=True):
            text = text.replace(value, "#") if value else text
        return Reply(self.reason, ALWAYS_NEW.sub("*", text))


class Door(Protocol):
    """One way to one RPC; its name tells which."""

    @property
    def name(self) -> str: ...

    @property
    def rpc(self) -> Rpc: ...

    async def send(self, token: str | None, message: Message) -> Reply: ...


@dataclass(frozen=True)
class ServiceDoor:
    """The service itself, over mTLS with the gateway's certificate, for a client at `address`."""

    name: str
    rpc: Rpc
    channel: grpc.aio.Channel
    address: str = ""

    async def send(self, token: str | None, message: Message) -> Reply:
        metadata = Metadata(("x-tenon-client-address", self.address))
        if token:
            metadata.add("authorization", f"Bearer {token}")
        try:
            return Reply("", await self._call(message, metadata))
        except TenonError as error:
            fields = [(field.pointer, field.message) for field in error.fields]
            told = (error.code.name, error.reason, error.detail, fields, error.retry_after)
            return Reply(error.reason, repr(told))

    async def _call(self, message: Message, metadata: Metadata) -> str:
        method, channel = self.rpc.method, self.channel
        coding = {
            "request_serializer": lambda request: request.SerializeToString(),
            "response_deserializer": GetMessageClass(method.output_type).FromString,
        }
        asked: dict[str, Any] = {"metadata": metadata, "timeout": 30}
        if method.client_streaming:
            call = channel.stream_unary(self.rpc.path, **coding)
            return _readable(await call(_stream(message), **asked))
        if method.server_streaming:
            replies = channel.unary_stream(self.rpc.path, **coding)(message, **asked)
            return "\n".join([_readable(reply) async for reply in replies])
        return _readable(await channel.unary_unary(self.rpc.path, **coding)(message, **asked))


async def _stream(first: Message) -> Any:
    """Send the first message of an upload, and a chunk."""
    yield first
    chunk = type(first)()
    chunk.chunk = CSV  # type: ignore[attr-defined] # the only stream there is
    yield chunk


def _readable(message: Message) -> str:
    """Write a message as JSON; bytes as text."""
    chunk = getattr(message, "chunk", None)
    return chunk.decode() if isinstance(chunk, bytes) else MessageToJson(message, indent=None)


@dataclass(frozen=True)
class GatewayDoor:
    """A route of the gateway. `body` names the request's field that is the body, if any; `query`
    the parameters of a hand-written route, whose body is a CSV file if it `uploads`.
    """

    rpc: Rpc
    method: str
    path: str
    body: str
    session: ClientSession
    query: frozenset[str] | None = None
    uploads: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    async def send(self, token: str | None, message: Message) -> Reply:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        fields = dict(_flat(message)) if self.query is not None else as_json(message)
        url, rest = self._url(fields)
        options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
        if self.uploads:
            options |= {"data": CSV, "headers": {**headers, "content-type": "text/csv"}}
        elif self.body:
            options["json"] = rest if self.body == "*" else rest.pop(self.body, {})
        if self.body != "*":
            options["params"] = {
                name: str(value)
                for name, value in rest.items()
                if self.query is None or name in self.query
            }
        async with self.session.request(self.method, url, **options) as reply:
            text = (await reply.read()).decode()
            return _told(reply.status, reply.headers, text)

    def _url(self, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        rest = dict(fields)
        names = re.findall(r"\{(\w+)\}", self.path)
        taken = {name: quote(str(rest.pop(name, "")), safe="") for name in names}
        return self.path.format_map(taken), rest


def _told(status: int, headers: Mapping[str, str], text: str) -> Reply:
    told = {name: headers[name] for name in TOLD_HEADERS if name in headers}
    if told.get("content-type") != "application/problem+json":
        return Reply("" if status < 400 else str(status), f"{status} {told} {text}")
    problem = orjson.loads(text)
    del problem["request_id"]
    return Reply(problem["code"], f"{status} {told} {problem}")


def as_json(message: Message) -> dict[str, Any]:
    """Return the fields that are set as the gateway takes them; it makes masks by itself."""
    return {
        field.name: _json(field, value)
        for field, value in message.ListFields()
        if field.name != "update_mask"
    }


def _json(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_json_item(field, item) for item in value]
    return _json_item(field, value)


def _json_item(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        ours = field.message_type.file.package.startswith("tenon.")
        return as_json(value) if ours else MessageToDict(value)
    return enum_words(field.enum_type)[value] if field.enum_type is not None else value


def _flat(message: Message) -> Iterator[tuple[str, Any]]:
    """Yield all single values by their names, however deep."""
    for field, value in message.ListFields():
        if field.message_type is None:
            yield field.name, value
        elif not field.is_repeated:
            yield from _flat(value)


def service_doors(rpc: Rpc, channel_to: Callable[[str], grpc.aio.Channel]) -> Iterator[ServiceDoor]:
    for service in rpc.services:
        yield ServiceDoor(f"{service}: {rpc.name}", rpc, channel_to(service))


def gateway_doors(rpc: Rpc, session: ClientSession) -> Iterator[GatewayDoor]:
    """Yield every route of an RPC: the compiled ones, and those that declare it first."""
    for route in compile_routes(load_services()):
        if route.rpc == rpc.path:
            yield GatewayDoor(rpc, route.method, route.path, route.body, session)
    for operation in OPERATIONS:
        if operation.rpcs[:1] == (rpc.path,):
            uploads = operation.body is not None and operation.body.media_type == "text/csv"
            body = "*" if operation.body is not None and not uploads else ""
            yield GatewayDoor(
                rpc,
                operation.method,
                operation.path,
                body,
                session,
                query=None if body else frozenset(operation.query),
                uploads=uploads,
            )
