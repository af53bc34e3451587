"""Log-ins by more than a password, and proof of who one is: where their tokens become cookies."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from tenon_gateway.clients.auth import AuthClient, Device, SignedIn
from tenon_gateway.clients.rpcs import (
    CONFIRM_SESSION,
    LOG_IN_WITH_PASSKEY,
    LOG_IN_WITH_SECOND_FACTOR,
    Q,
    R,
    Rpc,
    body_bytes,
)
from tenon_gateway.cookies import CookieNames
from tenon_gateway.pipeline.body import read_json
from tenon_gateway.routers.browsers import Browsers
from tenon_gateway.routers.endpoints import Endpoint, exchange_of
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.manual import Content, ManualOperation
from tenon_gateway.transcoding.stubs import Headers

DEVICE = frozenset({"device"})
TOKENS = frozenset({"tokens"})

LOG_IN_WITH_SECOND_FACTOR_OPERATION = ManualOperation(
    "POST",
    "/api/auth/login/mfa",
    rpcs=(LOG_IN_WITH_SECOND_FACTOR.path,),
    body=Content(LOG_IN_WITH_SECOND_FACTOR.request, omit=DEVICE),
    reply=Content(LOG_IN_WITH_SECOND_FACTOR.response, omit=TOKENS),
)
LOG_IN_WITH_PASSKEY_OPERATION = ManualOperation(
    "POST",
    "/api/auth/login/passkey",
    rpcs=(LOG_IN_WITH_PASSKEY.path,),
    body=Content(LOG_IN_WITH_PASSKEY.request, omit=DEVICE),
    reply=Content(LOG_IN_WITH_PASSKEY.response, omit=TOKENS),
)
CONFIRM_SESSION_OPERATION = ManualOperation(
    "POST",
    "/api/auth/session:confirm",
    rpcs=(CONFIRM_SESSION.path,),
    body=Content(CONFIRM_SESSION.request, omit=DEVICE),
    reply=Content(CONFIRM_SESSION.response, omit=TOKENS),
)
OPERATIONS = (
    LOG_IN_WITH_SECOND_FACTOR_OPERATION,
    LOG_IN_WITH_PASSKEY_OPERATION,
    CONFIRM_SESSION_OPERATION,
)

SignIn = Callable[[bytes, Device, Headers], Awaitable[SignedIn]]


class MfaRouter:
    def __init__(self, auth: AuthClient, settings: GatewaySettings) -> None:
        self._auth = auth
        self._settings = settings
        self._browsers = Browsers(CookieNames.of(settings))

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(LOG_IN_WITH_SECOND_FACTOR_OPERATION, self.log_in_with_second_factor),
            Endpoint(LOG_IN_WITH_PASSKEY_OPERATION, self.log_in_with_passkey),
            Endpoint(CONFIRM_SESSION_OPERATION, self.confirm_session),
        ]

    async def log_in_with_second_factor(self, request: Request) -> Response:
        return await self._welcome(
            request, LOG_IN_WITH_SECOND_FACTOR, self._auth.log_in_with_second_factor
        )

    async def log_in_with_passkey(self, request: Request) -> Response:
        return await self._welcome(request, LOG_IN_WITH_PASSKEY, self._auth.log_in_with_passkey)

    async def confirm_session(self, request: Request) -> Response:
        """Answer with a new access cookie; the refresh cookie stays as it is."""
        return await self._welcome(request, CONFIRM_SESSION, self._auth.confirm_session)

    async def _welcome(self, request: Request, rpc: Rpc[Q, R], sign_in: SignIn) -> Response:
        exchange = exchange_of(request)
        body = await read_json(
            exchange, max_bytes=body_bytes(rpc), seconds=self._settings.body_seconds
        )
        device = self._browsers.device(exchange)
        signed_in = await sign_in(body, device, exchange.metadata())
        return self._browsers.welcome(exchange, signed_in, 200)
