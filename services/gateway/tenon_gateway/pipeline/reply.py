"""What the gateway answers."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope

from tenon_gateway.problems import problem_of
from tenon_policy.policies import MethodPolicy

Header = tuple[bytes, bytes]

DEFAULT_HEADERS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
JSON: Header = (b"content-type", b"application/json")
OK = 200
NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; `headers` holds all but those of the single exchange."""

    status: int
    body: bytes
    headers: tuple[Header, ...]


def json_reply(status: int, body: bytes, headers: tuple[Header, ...] = DEFAULT_HEADERS) -> Reply:
    if status == NO_CONTENT:
        return Reply(status, b"", headers)
    return Reply(status, body, (JSON, _length(body), *headers))


def headers_of(policy: MethodPolicy) -> tuple[Header, ...]:
    """Return the headers of every success of a method: who else may keep it, and read it."""
    if not policy.public_seconds:
        return DEFAULT_HEADERS
    kept = (b"cache-control", b"public, max-age=%d" % policy.public_seconds)
    return with_defaults([kept, (b"access-control-allow-origin", b"*")])


def refusing(error: Exception, request_id: str) -> Reply:
    """Return the problem document of an error."""
    problem = problem_of(error, request_id)
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    return Reply(problem.status, problem.body, with_defaults([*headers, _length(problem.body)]))


def with_defaults(headers: Iterable[Header]) -> tuple[Header, ...]:
    """Add the security headers that are not set to something else."""
    given = tuple(headers)
    names = {name for name, _ in given}
    return (*given, *(pair for pair in DEFAULT_HEADERS if pair[0] not in names))


async def recorded(app: ASGIApp, scope: Scope, receive: Receive) -> Reply:
    """Run an application for one request and return what it would have sent."""
    start: Message = {}
    body = bytearray()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return Reply(start["status"], bytes(body), with_defaults(start.get("headers", ())))


def _length(body: bytes) -> Header:
    return (b"content-length", b"%d" % len(body))
