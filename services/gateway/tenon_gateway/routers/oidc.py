"""Log-in by a provider (OpenID Connect): the ways of a browser there and back."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from fastapi import Request, Response

from tenon_core.errors import TenonError, Unavailable
from tenon_gateway.clients.auth import SecondStep
from tenon_gateway.clients.identities import Begun, IdentityClient
from tenon_gateway.clients.rpcs import (
    CONNECT_IDENTITY,
    FINISH_PROVIDER_LOG_IN,
    START_PROVIDER_LOG_IN,
    body_bytes,
)
from tenon_gateway.cookies import CookieNames
from tenon_gateway.pipeline.body import read_json
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.routers.browsers import Browsers, json_response
from tenon_gateway.routers.endpoints import Endpoint, exchange_of
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.manual import Content, ManualOperation

SAID = ("state", "code", "iss", "error")
"""What a provider says, as parameters of the callback; whatever else it adds is not looked at."""
LOG_IN_PAGE = "/login"
"""Of the front end, which tells a person what went wrong."""
SECOND_STEP_PAGE = "/login/mfa"
"""Of the front end, which asks a person for a second factor."""
TEXT = {"type": "string"}

START_OPERATION = ManualOperation(
    "GET",
    "/api/auth/oidc/{provider}/start",
    rpcs=(START_PROVIDER_LOG_IN.path,),
    query={"return_to": TEXT},
    status=302,
)
CONNECT_OPERATION = ManualOperation(
    "POST",
    "/api/auth/oidc/{provider}/connect",
    rpcs=(CONNECT_IDENTITY.path,),
    body=Content(CONNECT_IDENTITY.request, omit=frozenset({"provider"})),
    reply=Content(CONNECT_IDENTITY.response, omit=frozenset({"flow_token", "expire_time"})),
)
CALLBACK_OPERATION = ManualOperation(
    "GET",
    "/api/auth/oidc/{provider}/callback",
    rpcs=(FINISH_PROVIDER_LOG_IN.path,),
    query=dict.fromkeys(SAID, TEXT),
    status=302,
)
OPERATIONS = (START_OPERATION, CONNECT_OPERATION, CALLBACK_OPERATION)


class OidcRouter:
    def __init__(self, identities: IdentityClient, settings: GatewaySettings) -> None:
        self._identities = identities
        self._settings = settings
        self._cookies = CookieNames.of(settings)
        self._browsers = Browsers(self._cookies)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(START_OPERATION, self.start),
            Endpoint(CONNECT_OPERATION, self.connect),
            Endpoint(CALLBACK_OPERATION, self.callback),
        ]

    async def start(self, request: Request) -> Response:
        """Lead a browser to the provider; what is wrong with the request itself is a problem."""
        exchange = exchange_of(request)
        provider, query = exchange.parameters["provider"], exchange.scope["query_string"]
        try:
            begun = await self._identities.start(provider, query, exchange.metadata())
        except TenonError as error:
            if error.code is not Unavailable.code:
                raise
            return _failed(error)
        self._tie(exchange, begun)
        return _redirect(begun.url)

    async def connect(self, request: Request) -> Response:
        """Tell a page where to lead its browser.

        Not by a link, as a log-in begins: a foreign page could follow it in a browser in which
        somebody is logged in here, and with the provider as the page's owner.
        """
        exchange = exchange_of(request)
        body = await read_json(
            exchange,
            max_bytes=body_bytes(CONNECT_IDENTITY),
            seconds=self._settings.body_seconds,
        )
        provider = exchange.parameters["provider"]
        begun = await self._identities.connect(provider, body, exchange.metadata())
        self._tie(exchange, begun)
        return json_response({"url": begun.url})

    async def callback(self, request: Request) -> Response:
        """Lead a browser on that a provider has led here, whatever came of it."""
        exchange = exchange_of(request)
        said = _said(exchange)
        state = said.get("state", "")
        flow_token = exchange.cookies.get(self._cookies.flow(state), "")
        device = self._browsers.device(exchange)
        if flow_token:
            exchange.notes.append(self._cookies.drop_flow(state))
        try:
            finished = await self._identities.finish(said, flow_token, device, exchange.metadata())
        except TenonError as error:
            exchange.error = error
            return _failed(error)
        if isinstance(finished.log_in, SecondStep):
            self._browsers.keep_device(exchange, finished.log_in)
            return _redirect(_second_step(finished.log_in, finished.return_to))
        if finished.log_in is not None:
            self._browsers.keep(exchange, finished.log_in)
        return _redirect(finished.return_to)

    def _tie(self, exchange: Exchange, begun: Begun) -> None:
        """Tie this browser to the flow: nobody finishes it in another one. Each flow has a cookie
        of its own, so several tabs may log in.
        """
        name = self._cookies.flow(begun.state)
        exchange.notes += self._cookies.drop_surplus_flows(exchange.cookies)
        exchange.notes.append(self._cookies.keep(name, begun.flow_token, begun.expires))


def _said(exchange: Exchange) -> Mapping[str, str]:
    """Return what a provider says; nothing of what it says twice."""
    query = parse_qs(exchange.scope["query_string"].decode("latin-1"))
    values = {name: query.get(name, []) for name in SAID}
    once = {name: found[0] for name, found in values.items() if len(found) == 1}
    return {"provider": exchange.parameters["provider"], **once}


def _second_step(step: SecondStep, return_to: str) -> str:
    """Return the page that asks for a second factor; no server gets to see what is behind `#`."""
    told = {"mfa_token": step.told["mfa_token"], "mfa_methods": ",".join(step.told["mfa_methods"])}
    return f"{SECOND_STEP_PAGE}#{urlencode(told | {'return_to': return_to})}"


def _redirect(url: str) -> Response:
    return Response(status_code=302, headers={"location": url})


def _failed(error: TenonError) -> Response:
    return _redirect(f"{LOG_IN_PAGE}?{urlencode({'error': error.reason})}")
