"""Hand-written routes: what each is, and what answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from tenon_gateway.errors import NoSuchPath
from tenon_gateway.pipeline.exchange import SCOPE_KEY, Exchange
from tenon_gateway.pipeline.reply import refusing
from tenon_gateway.transcoding.manual import ManualOperation

Handler = Callable[[Request], Awaitable[Response]]

READ = "read"
GATEWAY_TAG = "Gateway"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation and its handler, which runs once the policies of the operation's RPCs are met.

    `rate` is the class of an operation without RPCs; None for one that is never limited.
    """

    operation: ManualOperation
    handler: Handler
    rate: str | None = None


def exchange_of(request: Request) -> Exchange:
    """Return what the pipeline knows of a request that it let in."""
    exchange: Exchange = request.scope[SCOPE_KEY]
    return exchange


async def refuse(request: Request, error: Exception) -> Response:
    """Answer an error as the pipeline does. What a router itself does not take is unknown: the
    pipeline has matched the path, so it is an escaped slash in a parameter or the like.
    """
    told = NoSuchPath() if isinstance(error, HTTPException) else error
    exchange = exchange_of(request)
    exchange.error = told
    reply = refusing(told, exchange.request_id)
    response = Response(reply.body, reply.status)
    response.raw_headers = list(reply.headers)
    return response
