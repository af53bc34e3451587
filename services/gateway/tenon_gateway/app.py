"""The only place where the gateway is wired."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.exceptions import HTTPException

from tenon_core.errors import TenonError
from tenon_core.key_file import read_key
from tenon_gateway.clients.api_keys import AuthApiKeys
from tenon_gateway.clients.auth import AuthClient
from tenon_gateway.clients.identities import IdentityClient
from tenon_gateway.clients.reports import ReportsClient
from tenon_gateway.clients.rpcs import Caller
from tenon_gateway.clients.tenancy import TenancyClient
from tenon_gateway.pipeline.admission import Admission
from tenon_gateway.pipeline.api_keys import ApiKeys
from tenon_gateway.pipeline.budgets import REPLY_BYTES, REQUEST_BYTES, ByteBudget
from tenon_gateway.pipeline.cache import ReplyCache
from tenon_gateway.pipeline.compiled import compiled
from tenon_gateway.pipeline.credentials import Credentials
from tenon_gateway.pipeline.entries import Entry
from tenon_gateway.pipeline.gate import Gate
from tenon_gateway.pipeline.limits import Clients, Rules
from tenon_gateway.pipeline.middleware import Pipeline
from tenon_gateway.pipeline.request_log import RequestLog
from tenon_gateway.problems import Refusal
from tenon_gateway.routers.auth import AuthRouter
from tenon_gateway.routers.docs import DocsRouter
from tenon_gateway.routers.endpoints import READ, Endpoint, refuse
from tenon_gateway.routers.files import FilesRouter
from tenon_gateway.routers.health import HealthRouter
from tenon_gateway.routers.mailbox import MailboxRouter
from tenon_gateway.routers.mfa import MfaRouter
from tenon_gateway.routers.oidc import OidcRouter
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.routers.pages import PagesRouter
from tenon_gateway.routers.uploads import UploadsRouter
from tenon_gateway.server import HttpServer
from tenon_gateway.settings import BadSettings, GatewaySettings
from tenon_gateway.transcoding.bodies import body_bounds
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.document import compile_document
from tenon_gateway.transcoding.encoders import Encoders, to_json
from tenon_gateway.transcoding.routes import Route, compile_routes
from tenon_gateway.transcoding.stubs import Stubs
from tenon_policy.grants import Grants
from tenon_policy.policies import AUTHENTICATED, MethodPolicy, load_policies
from tenon_policy.tokens import KeySet, TokenVerifier
from tenon_rpc.channel import open_channel
from tenon_rpc.owners import ANSWER_SECONDS, AuthOwner, TenancyOwner
from tenon_rpc.redis_client import open_redis

LOGGED_LEVELS = frozenset({"debug", "info"})


@dataclass
class Readiness:
    """Whether requests may be sent here."""

    ready: bool = False

    def __call__(self) -> bool:
        return self.ready


@dataclass(frozen=True)
class Connections:
    """Redis, and a channel to each service by its name."""

    redis: Redis
    channels: Mapping[str, grpc.aio.Channel]


@asynccontextmanager
async def running(settings: GatewaySettings, readiness: Readiness) -> AsyncIterator[int]:
    """Serve the gateway; yields its port. At exit requests in flight are finished first."""
    async with connected(settings) as connections:
        server = HttpServer(build(settings, connections, readiness), settings)
        port = await server.start()
        readiness.ready = True
        try:
            yield port
        finally:
            readiness.ready = False
            server.say_goodbye()
            await asyncio.sleep(settings.notice_seconds)
            await server.drain()


@asynccontextmanager
async def connected(settings: GatewaySettings) -> AsyncIterator[Connections]:
    """Make the connections; nothing is asked of anybody yet."""
    redis = open_redis(settings.redis_url.get_secret_value())  # whoever asks bounds the whole
    channels = {service: open_channel(settings, service) for service in settings.peers}
    try:
        yield Connections(redis, channels)
    finally:
        for channel in channels.values():
            await channel.close(None)
        await redis.aclose(close_connection_pool=True)


def build(
    settings: GatewaySettings, connections: Connections, ready: Callable[[], bool]
) -> Pipeline:
    """Wire the gateway; BadPolicy, BadRoute or BadSettings if something does not fit."""
    services = load_services()
    policies, routes, encoders = load_policies(services), compile_routes(services), Encoders()
    _require_peers(routes, settings)
    _require_budget(routes, settings)
    stubs = Stubs(connections.channels, services)
    rules = {
        name: Rules.of(name, settings.rate_class(name))
        for name in {READ, *(policy.rate for policy in policies.values() if policy.rate)}
    }
    _require_user_rules(policies.values(), rules)
    document = to_json(compile_document(routes, OPERATIONS))
    endpoints = [
        *_service_endpoints(settings, stubs, encoders, policies),
        *MailboxRouter(_mailbox(settings), settings).endpoints(),
        *DocsRouter(document, root="/account" if settings.pages else "/api/docs").endpoints(),
        *PagesRouter(enabled=settings.pages).endpoints(),
        *HealthRouter(ready).endpoints(),
    ]
    return Pipeline(
        _routers(endpoints),
        entries=[
            *(_compiled_entry(route, rules, stubs, encoders, settings) for route in routes),
            *(_manual_entry(endpoint, rules, policies) for endpoint in endpoints),
        ],
        admission=_admission(settings, connections, stubs),
        cache=ReplyCache(),
        request_log=RequestLog(_line_writer(settings)),
        requests=ByteBudget(REQUEST_BYTES, settings.request_bytes_in_flight),
        replies=ByteBudget(REPLY_BYTES, settings.reply_bytes_in_flight),
        secure=settings.secure,
    )


def _require_user_rules(policies: Iterable[MethodPolicy], rules: Mapping[str, Rules]) -> None:
    """Or whoever is logged in may ask without limit."""
    for policy in policies:
        known = policy.access in AUTHENTICATED
        if known and policy.rate and rules[policy.rate].user is None:
            raise BadSettings(
                f"rate class {policy.rate} needs numbers for users, since {policy.method} has one"
            )


def _require_peers(routes: Iterable[Route], settings: GatewaySettings) -> None:
    missing = sorted({route.service for route in routes} - set(settings.peers))
    if missing:
        raise BadSettings(f"peers has no address of {', '.join(missing)}")


def _require_budget(routes: Iterable[Route], settings: GatewaySettings) -> None:
    largest = max(body_bounds(route).json_bytes for route in routes)
    if settings.request_bytes_in_flight < largest:
        raise BadSettings(
            f"request_bytes_in_flight is {settings.request_bytes_in_flight}, which is less than "
            f"the largest body that is accepted ({largest} bytes)"
        )


def _routers(endpoints: Iterable[Endpoint]) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for error in (TenonError, Refusal, HTTPException, Exception):
        app.add_exception_handler(error, refuse)
    for endpoint in endpoints:
        method = endpoint.operation.method
        app.add_api_route(
            endpoint.operation.path,
            endpoint.handler,
            methods=["GET", "HEAD"] if method == "GET" else [method],
            response_model=None,
            include_in_schema=False,
        )
    return app


def _service_endpoints(
    settings: GatewaySettings,
    stubs: Stubs,
    encoders: Encoders,
    policies: Mapping[str, MethodPolicy],
) -> list[Endpoint]:
    caller = Caller(stubs, settings.request_seconds)
    auth = AuthClient(caller, encoders, policies)
    tenancy = TenancyClient(caller, encoders)
    reports = ReportsClient(caller, stubs, encoders, policies, settings.upload_seconds)
    link_key = read_key(settings.link_key_file) if settings.link_key_file else b""
    return [
        *AuthRouter(auth, tenancy, settings).endpoints(),
        *OidcRouter(IdentityClient(caller, auth, policies), settings).endpoints(),
        *MfaRouter(auth, settings).endpoints(),
        *UploadsRouter(reports, settings).endpoints(),
        *FilesRouter(reports, tenancy, settings.storage_directory, link_key).endpoints(),
    ]


def _compiled_entry(
    route: Route,
    rules: Mapping[str, Rules],
    stubs: Stubs,
    encoders: Encoders,
    settings: GatewaySettings,
) -> Entry:
    run = compiled(route, stubs, encoders, settings)
    return Entry(route.method, route.path, (route.policy,), rules[route.policy.rate], run)


def _manual_entry(
    endpoint: Endpoint, rules: Mapping[str, Rules], policies: Mapping[str, MethodPolicy]
) -> Entry:
    operation = endpoint.operation
    called = tuple(policies[rpc] for rpc in operation.rpcs)
    rate = called[0].rate if called else endpoint.rate
    return Entry(operation.method, operation.path, called, rules[rate] if rate else None, None)


def _admission(settings: GatewaySettings, connections: Connections, stubs: Stubs) -> Admission:
    auth = AuthOwner(connections.channels["auth"])
    tenancy = TenancyOwner(connections.channels["tenancy"])
    return Admission(
        Credentials(settings),
        TokenVerifier(KeySet(auth.signing_keys)),
        ApiKeys(AuthApiKeys(Caller(stubs, ANSWER_SECONDS)).exchange),
        Gate(connections.redis),
        Grants(connections.redis, sessions=auth, members=tenancy),
        Clients(read_key(settings.address_key_file)),
        settings.rate_limit_mode,
        settings.request_seconds,
    )


def _mailbox(settings: GatewaySettings) -> Path | None:
    return settings.mailbox_directory if settings.environment == "development" else None


def _line_writer(settings: GatewaySettings) -> Callable[[bytes], object] | None:
    return sys.stderr.buffer.write if settings.log_level.lower() in LOGGED_LEVELS else None
