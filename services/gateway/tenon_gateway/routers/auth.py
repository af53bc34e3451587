"""Log-in and log-out: where tokens become cookies, and cookies tokens."""

import asyncio
import dataclasses

from fastapi import Request, Response

from tenon_core.errors import FieldError, InvalidArgument, Unauthenticated
from tenon_gateway.clients.auth import MFA_FIELDS, AuthClient, SecondStep
from tenon_gateway.clients.rpcs import (
    CHANGE_PASSWORD,
    CONFIRM_SIGN_UP,
    GET_EXPORT_FILE,
    GET_SESSION,
    LIST_ORGANIZATIONS,
    LOG_IN,
    LOG_IN_WITH_LINK,
    LOG_OUT,
    REFRESH_SESSION,
    RESET_PASSWORD,
    SIGN_UP,
    body_bytes,
)
from tenon_gateway.clients.tenancy import TenancyClient
from tenon_gateway.cookies import CookieNames
from tenon_gateway.pipeline.body import read_json
from tenon_gateway.pipeline.credentials import Credentials
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.routers.browsers import Browsers, json_response
from tenon_gateway.routers.endpoints import Endpoint, exchange_of
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.bodies import NO_BODY, is_no_body
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation
from tenon_policy.sizes import SPACE_BYTES
from tenon_storage.links import attachment

DEVICE = frozenset({"device"})
TOKENS = frozenset({"tokens"})
ORGANIZATION_FIELDS = ("id", "slug", "name", "role")
ORGANIZATIONS = {
    "type": "array",
    "description": "The caller's organizations, oldest membership first.",
    "items": {
        "type": "object",
        "required": list(ORGANIZATION_FIELDS),
        "properties": {
            "id": {"type": "string"},
            "slug": {"type": "string"},
            "name": {"type": "string"},
            "role": {"type": "string", "enum": ["viewer", "member", "admin", "owner"]},
        },
    },
}

SIGN_UP_OPERATION = ManualOperation(
    "POST",
    "/api/auth/signup",
    rpcs=(SIGN_UP.path,),
    body=Content(SIGN_UP.request, omit=DEVICE),
    status=201,
    reply=Content(SIGN_UP.response, omit=TOKENS),
)
CONFIRM_SIGN_UP_OPERATION = ManualOperation(
    "POST",
    "/api/auth/signup/confirm",
    rpcs=(CONFIRM_SIGN_UP.path,),
    body=Content(CONFIRM_SIGN_UP.request, omit=DEVICE),
    reply=Content(CONFIRM_SIGN_UP.response, omit=TOKENS),
)
LOG_IN_OPERATION = ManualOperation(
    "POST",
    "/api/auth/login",
    rpcs=(LOG_IN.path,),
    body=Content(LOG_IN.request, omit=DEVICE),
    reply=Content(
        LOG_IN.response,
        omit=TOKENS,
        optional=frozenset({"user", "session", *MFA_FIELDS}),
    ),
)
LOG_IN_LINK_OPERATION = ManualOperation(
    "POST",
    "/api/auth/login/link/confirm",
    rpcs=(LOG_IN_WITH_LINK.path,),
    body=Content(LOG_IN_WITH_LINK.request, omit=DEVICE),
    reply=Content(
        LOG_IN_WITH_LINK.response,
        omit=TOKENS,
        optional=frozenset({"user", "session", *MFA_FIELDS}),
    ),
)
REFRESH_OPERATION = ManualOperation(
    "POST",
    "/api/auth/refresh",
    rpcs=(REFRESH_SESSION.path,),
    reply=Content(REFRESH_SESSION.response, omit=TOKENS),
)
LOG_OUT_OPERATION = ManualOperation("POST", "/api/auth/logout", rpcs=(LOG_OUT.path,), status=204)
CHANGE_PASSWORD_OPERATION = ManualOperation(
    "POST",
    "/api/auth/password/change",
    rpcs=(CHANGE_PASSWORD.path,),
    body=Content(CHANGE_PASSWORD.request, omit=DEVICE),
    status=204,
)
RESET_PASSWORD_OPERATION = ManualOperation(
    "POST",
    "/api/auth/password/reset",
    rpcs=(RESET_PASSWORD.path,),
    body=Content(RESET_PASSWORD.request, omit=DEVICE),
    status=204,
)
SESSION_OPERATION = ManualOperation(
    "GET",
    "/api/auth/session",
    rpcs=(GET_SESSION.path, LIST_ORGANIZATIONS.path),
    reply=Content(GET_SESSION.response, extra={"orgs": ORGANIZATIONS}),
)
EXPORT_FILE_OPERATION = ManualOperation(
    "GET",
    "/api/auth/user/exports/{export_id}/file",
    rpcs=(GET_EXPORT_FILE.path,),
    reply=Content(schema={"type": "object"}),
)
OPERATIONS = (
    SIGN_UP_OPERATION,
    CONFIRM_SIGN_UP_OPERATION,
    LOG_IN_OPERATION,
    LOG_IN_LINK_OPERATION,
    REFRESH_OPERATION,
    LOG_OUT_OPERATION,
    CHANGE_PASSWORD_OPERATION,
    RESET_PASSWORD_OPERATION,
    SESSION_OPERATION,
    EXPORT_FILE_OPERATION,
)


class AuthRouter:
    def __init__(self, auth: AuthClient, tenancy: TenancyClient, settings: GatewaySettings) -> None:
        self._auth = auth
        self._tenancy = tenancy
        self._settings = settings
        self._cookies = CookieNames.of(settings)
        self._browsers = Browsers(self._cookies)
        self._credentials = Credentials(settings)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(SIGN_UP_OPERATION, self.sign_up),
            Endpoint(CONFIRM_SIGN_UP_OPERATION, self.confirm_sign_up),
            Endpoint(LOG_IN_OPERATION, self.log_in),
            Endpoint(LOG_IN_LINK_OPERATION, self.log_in_with_link),
            Endpoint(REFRESH_OPERATION, self.refresh),
            Endpoint(LOG_OUT_OPERATION, self.log_out),
            Endpoint(CHANGE_PASSWORD_OPERATION, self.change_password),
            Endpoint(RESET_PASSWORD_OPERATION, self.reset_password),
            Endpoint(SESSION_OPERATION, self.session),
            Endpoint(EXPORT_FILE_OPERATION, self.export_file),
        ]

    async def sign_up(self, request: Request) -> Response:
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(SIGN_UP))
        signed_in = await self._auth.sign_up(
            body, self._browsers.device(exchange), exchange.metadata()
        )
        if isinstance(signed_in, str):
            exchange.notes.append(self._cookies.keep_device(signed_in))
            return json_response({}, 202)
        return self._browsers.welcome(exchange, signed_in, 201)

    async def confirm_sign_up(self, request: Request) -> Response:
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(CONFIRM_SIGN_UP))
        device = self._browsers.device(exchange)
        signed_in = await self._auth.confirm_sign_up(body, device, exchange.metadata())
        return self._browsers.welcome(exchange, signed_in, 200)

    async def log_in(self, request: Request) -> Response:
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(LOG_IN))
        log_in = await self._auth.log_in(body, self._browsers.device(exchange), exchange.metadata())
        if isinstance(log_in, SecondStep):
            return self._browsers.ask(exchange, log_in)
        return self._browsers.welcome(exchange, log_in, 200)

    async def log_in_with_link(self, request: Request) -> Response:
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(LOG_IN_WITH_LINK))
        device = self._browsers.device(exchange)
        log_in = await self._auth.log_in_with_link(body, device, exchange.metadata())
        if isinstance(log_in, SecondStep):
            return self._browsers.ask(exchange, log_in)
        return self._browsers.welcome(exchange, log_in, 200)

    async def refresh(self, request: Request) -> Response:
        """Exchange the refresh cookie.

        A refusal clears no cookies: it may arrive after a newer log-in of the same browser, and
        would end that one. For the same reason a token that did not rotate is not set again.
        """
        exchange = exchange_of(request)
        await self._read_nothing(exchange)
        token = self._credentials.refresh_token(exchange)
        if not token:
            raise Unauthenticated
        signed_in = await self._auth.refresh(token, exchange.metadata())
        if signed_in.refresh_token == token:
            signed_in = dataclasses.replace(signed_in, refresh_token="")
        return self._browsers.welcome(exchange, signed_in, 200)

    async def log_out(self, request: Request) -> Response:
        """End the session of the refresh cookie, or else of the access token.

        The cookies are cleared also where that fails: whoever uses this browser next must not be
        logged in.
        """
        exchange = exchange_of(request)
        exchange.notes += self._cookies.drop()
        await self._read_nothing(exchange)
        refresh_token = self._credentials.refresh_token(exchange)
        access_token = self._credentials.token(exchange) or ""
        if refresh_token or access_token:
            await self._auth.log_out(refresh_token, access_token, exchange.metadata())
        return Response(status_code=204)

    async def change_password(self, request: Request) -> Response:
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(CHANGE_PASSWORD))
        await self._auth.change_password(body, self._browsers.device(exchange), exchange.metadata())
        return Response(status_code=204)

    async def reset_password(self, request: Request) -> Response:
        """Replace a forgotten password; all sessions end, this browser's too."""
        exchange = exchange_of(request)
        body = await self._read(exchange, body_bytes(RESET_PASSWORD))
        device = self._browsers.device(exchange)
        device_token = await self._auth.reset_password(body, device, exchange.metadata())
        exchange.notes += [*self._cookies.drop(), self._cookies.keep_device(device_token)]
        return Response(status_code=204)

    async def session(self, request: Request) -> Response:
        metadata = exchange_of(request).metadata()
        session, organizations = await asyncio.gather(
            self._auth.session(metadata), self._tenancy.organizations(metadata)
        )
        orgs = [{name: org[name] for name in ORGANIZATION_FIELDS} for org in organizations]
        return json_response({**session, "orgs": orgs})

    async def export_file(self, request: Request) -> Response:
        exchange = exchange_of(request)
        document = await self._auth.export_file(
            exchange.parameters["export_id"], exchange.metadata()
        )
        exchange.hold_reply(len(document))
        headers = {"content-disposition": attachment("personal-data.json")}
        return Response(document, media_type=JSON, headers=headers)

    async def _read(self, exchange: Exchange, max_bytes: int) -> bytes:
        return await read_json(exchange, max_bytes=max_bytes, seconds=self._settings.body_seconds)

    async def _read_nothing(self, exchange: Exchange) -> None:
        if not is_no_body(await self._read(exchange, SPACE_BYTES)):
            raise InvalidArgument(fields=[FieldError("", NO_BODY)])
