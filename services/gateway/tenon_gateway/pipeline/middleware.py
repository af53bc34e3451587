"""The path of every request: route, admission, cache, answer; and whatever goes wrong."""

import asyncio
import time
from collections.abc import Hashable, Iterable, Sequence

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_gateway.errors import ClientGone, NoSuchPath, method_not_allowed
from tenon_gateway.pipeline.admission import Admission
from tenon_gateway.pipeline.budgets import ByteBudget
from tenon_gateway.pipeline.cache import ReplyCache
from tenon_gateway.pipeline.entries import Entry
from tenon_gateway.pipeline.exchange import SCOPE_KEY, Exchange
from tenon_gateway.pipeline.reply import Header, Reply, recorded, refusing
from tenon_gateway.pipeline.request_log import RequestLog
from tenon_gateway.problems import Refusal
from tenon_gateway.transcoding.table import MethodNotAllowed, RouteTable
from tenon_policy.bounds import UUID_CHARS

UNKNOWN_ID = "-"
STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=31536000")
MAX_CACHED_QUERY = 512
"""Replies to longer queries are not cached: the query is a part of the cache's key."""

log = structlog.get_logger()


class Pipeline:
    """The gateway as an ASGI application; `routers` answers the hand-written routes."""

    def __init__(
        self,
        routers: ASGIApp,
        *,
        entries: Iterable[Entry],
        admission: Admission,
        cache: ReplyCache,
        request_log: RequestLog,
        requests: ByteBudget,
        replies: ByteBudget,
        secure: bool,
    ) -> None:
        self._routers = routers
        self._table = RouteTable(entries)
        self._admission = admission
        self._cache = cache
        self._request_log = request_log
        self._requests = requests
        self._replies = replies
        self._notes = (STRICT_TRANSPORT,) if secure else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is set to serve nothing else"
        exchange = Exchange(scope, receive, send, requests=self._requests, replies=self._replies)
        exchange.notes += self._notes
        try:
            await self._serve(exchange)
        except asyncio.CancelledError:
            if not exchange.abandoned:
                raise  # the server's end, and not the client's
        finally:
            exchange.ended()
            self._request_log.add(exchange)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            reply = await self._answer(exchange)
        except ClientGone:
            return
        except (TenonError, Refusal) as error:
            reply = _refused(exchange, error)
        except Exception as error:
            log.exception("request failed", request_id=exchange.request_id)
            reply = _refused(exchange, error)
        if reply is not None:
            await exchange.reply(reply)

    async def _answer(self, exchange: Exchange) -> Reply | None:
        entry = self._find(exchange)
        if entry.reads:
            exchange.end_with_client()
        versions = await self._admission.admit(exchange, entry)
        exchange.admission_seconds = time.perf_counter() - exchange.started_at
        if not entry.tags or versions is None or not _has_short_query(exchange):
            return await self._run(exchange, entry)
        key = _cache_key(exchange, entry, versions)
        kept = self._cache.find(key)
        return kept or await self._cache.make(key, lambda: self._run_whole(exchange, entry))

    def _find(self, exchange: Exchange) -> Entry:
        method = "GET" if exchange.reads else exchange.method  # the server drops HEAD's body
        found = self._table.match(method, exchange.raw_path)
        if found is None:
            raise NoSuchPath
        if isinstance(found, MethodNotAllowed):
            raise method_not_allowed(found.allowed)
        entry, parameters = found
        exchange.parameters = {name: _short(name, text) for name, text in parameters.items()}
        exchange.route = entry.name
        return entry

    async def _run(self, exchange: Exchange, entry: Entry) -> Reply | None:
        if entry.run is not None:
            return await entry.run(exchange)
        await self._routers(_routers_scope(exchange), exchange.receive, exchange.send)
        return None

    async def _run_whole(self, exchange: Exchange, entry: Entry) -> Reply:
        if entry.run is not None:
            return await entry.run(exchange)
        return await recorded(self._routers, _routers_scope(exchange), exchange.receive)


def _short(name: str, text: str) -> str:
    """Return a path parameter. Text that is longer than an id is an unknown id, as any other text
    is that is not one.
    """
    return UNKNOWN_ID if name.endswith("_id") and len(text) > UUID_CHARS else text


def _routers_scope(exchange: Exchange) -> Scope:
    return {**exchange.scope, SCOPE_KEY: exchange}


def _refused(exchange: Exchange, error: Exception) -> Reply | None:
    """Return the reply that tells the error, if it was not told yet. Where a reply has begun, only
    cutting it off still tells.
    """
    if exchange.complete:
        return None
    if exchange.status:
        raise error
    exchange.error = error
    return refusing(error, exchange.request_id)


def _has_short_query(exchange: Exchange) -> bool:
    return len(exchange.scope["query_string"]) <= MAX_CACHED_QUERY


def _cache_key(exchange: Exchange, entry: Entry, versions: Sequence[bytes]) -> Hashable:
    """Name a reply by all that it depends on.

    The service records a read once for each session, client and minute, so an audited reply is
    kept for these alone: no read of a kept reply goes without its record.
    """
    assert exchange.identity is not None
    return (
        entry.name,
        exchange.identity.session_id,
        _audited_part(exchange) if entry.audited else None,
        tuple(exchange.parameters.items()),
        exchange.scope["query_string"],
        tuple(versions),
    )


def _audited_part(exchange: Exchange) -> Hashable:
    return clock.current_minute(), exchange.address, exchange.user_agent
