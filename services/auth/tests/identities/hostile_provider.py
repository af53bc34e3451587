"""A provider that does whatever an attacker may: a double, which is honest unless it is told not to
be. It keeps to what an honest one demands of us: PKCE, the client's secret, codes used once.
"""

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit
from uuid import uuid4

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID = "tenon"
CLIENT_SECRET = "of a test: +/%"

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk_of(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**found, "kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class Grant:
    """What a code is good for: an ID token, once, for whoever began at `asked`."""

    asked: Mapping[str, str]
    id_token: str


@dataclass
class Hostile:
    """`discovery` is added to the document, `keys` are published, and `token` replies in place of
    the token endpoint.
    """

    issuer: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    kid: str = "first"
    keys: list[dict[str, Any]] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token: Reply | None = None
    exchanged: list[str] = field(default_factory=list)
    """The codes that were sent, also for nothing."""
    fetched: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    grants: dict[str, Grant] = field(default_factory=dict)

    def reset(self) -> None:
        self.keys = [jwk_of(self.key, self.kid)]
        self.discovery, self.userinfo, self.token = {}, {}, None
        self.exchanged, self.fetched = [], []

    def claims(self, url: str, **changes: Any) -> dict[str, Any]:
        """Return what an honest ID token says for a browser that was led to `url`."""
        now = int(time.time())
        honest = {
            "iss": self.issuer,
            "sub": str(uuid4()),
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked(url)["nonce"],
            "email": f"{uuid4()}@example.com",
            "email_verified": True,
            "name": "Grace",
        }
        return {name: value for name, value in {**honest, **changes}.items() if value is not None}

    def code(self, url: str, *, id_token: str | None = None, **changes: Any) -> str:
        """Log somebody in; return the code that the browser takes back."""
        code = uuid4().hex
        token = self.sign(self.claims(url, **changes)) if id_token is None else id_token
        self.grants[code] = Grant(asked(url), token)
        return code

    def sign(self, claims: Mapping[str, Any], **changes: Any) -> str:
        given = {"key": self.key, "algorithm": "RS256", "headers": {"kid": self.kid}, **changes}
        return jwt.encode(dict(claims), **given)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._noted])
        app.router.add_get("/.well-known/openid-configuration", self._discover)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        return app

    @web.middleware
    async def _noted(self, request: web.Request, handler: Reply) -> web.StreamResponse:
        self.fetched.append(request.path)
        return await handler(request)

    async def _discover(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?audience=tenon",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        return web.json_response({**document, **self.discovery})

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": self.keys})

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer opaque"
        return web.json_response(self.userinfo)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.exchanged.append(form["code"])
        if self.token is not None:
            return await self.token(request)
        grant = self.grants.pop(form["code"], None)
        if grant is None or not _is_asked_by_us(request, form, grant):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "opaque", "id_token": grant.id_token})


def asked(url: str) -> dict[str, str]:
    """Return the parameters of a URL that a browser is led to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _is_asked_by_us(request: web.Request, form: Mapping[str, str], grant: Grant) -> bool:
    pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    client = [unquote_plus(part) for part in pair.split(":")]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (
        client == [CLIENT_ID, CLIENT_SECRET]
        and form["redirect_uri"] == grant.asked["redirect_uri"]
        and challenge == grant.asked["code_challenge"]
        and grant.asked["code_challenge_method"] == "S256"
    )


@asynccontextmanager
async def serving(hostile: Hostile) -> AsyncIterator[Hostile]:
    """Serve it on a free port of loopback."""
    runner = web.AppRunner(hostile.app(), handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hostile.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    hostile.reset()
    try:
        yield hostile
    finally:
        await runner.cleanup()
