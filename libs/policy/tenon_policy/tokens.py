"""Access tokens: what they hold, and how everybody verifies them."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tenon.auth.v1 import signing_key_service_pb2
from tenon_core.errors import TenonError, Unauthenticated
from tenon_policy.api_keys import KeyScope
from tenon_policy.audit_clients import AuditKey
from tenon_policy.policies import Role, read_policy

ALGORITHM = "RS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 # RFC 9068's name of the type, no secret
ISSUER = "tenon"
AUDIENCE = "tenon"
CACHED_TOKENS = 50_000
MAX_TOKEN_CHARS = 4_096
LEEWAY_SECONDS = 10
"""How far the clock of auth may be ahead of a verifier's: a token may be issued (`iat`), or valid
from (`nbf`), this much later than now. `exp` has no leeway: how long a revocation must be
remembered (`tenon_policy.grants`) is measured by it."""


class BadToken(Unauthenticated):
    """The access token is not valid. Refresh it or log in again."""

    reason = "invalid_token"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token speaks for, a person or an API key; times in seconds of the epoch.

    `auth_time` is when its holder last proved who they are, `methods` how (RFC 8176). A key has no
    user and never did; `session_id` is then the secret that was exchanged, which lives and ends as
    a session does. `audit_key` seals where its calls come from: of an API key, that of the person
    who made it.
    """

    user_id: UUID | None
    session_id: UUID
    expires: float
    auth_time: float
    methods: frozenset[str]
    key: KeyScope | None = None
    audit_key: AuditKey | None = None


_KEYS = signing_key_service_pb2.DESCRIPTOR.services_by_name["SigningKeyService"]
KEYS_SECONDS = float(read_policy(_KEYS.methods_by_name["ListSigningKeys"]).public_seconds)
"""How long the public keys are believed to be all there are, by us as by anybody else."""
LOOK_SECONDS = 0.5
"""How long whoever looks for newer ones waits for auth, who may not answer."""


class KeySet:
    """The public keys of auth, fetched anew every minute, and for an unknown key at once, but at
    most every few seconds.
    """

    RETRY_SECONDS = 5.0

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, RSAPublicKey]]]) -> None:
        self._fetch = fetch
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> RSAPublicKey:
        """Return the key of this id; BadToken if auth knows no such key."""
        if kid not in self._keys:
            await self._refresh(kid)
        elif time.monotonic() - self._fetched_at > KEYS_SECONDS:
            await self._look_again()
        try:
            return self._keys[kid]
        except KeyError:
            raise BadToken from None

    async def get_newer(self, kid: str, than: RSAPublicKey) -> RSAPublicKey:
        """Return the key that replaced `than` under the same id; BadToken if none did.

        Keys are fetched again at most every `RETRY_SECONDS`.
        """
        async with self._lock:
            due = time.monotonic() - self._fetched_at > self.RETRY_SECONDS
            if self._keys.get(kid) == than and due:
                await self._look_again()
        key = self._keys.get(kid)
        if key is None or key == than:
            raise BadToken
        return key

    async def _refresh(self, kid: str) -> None:
        async with self._lock:
            due = time.monotonic() - self._fetched_at > self.RETRY_SECONDS
            if kid not in self._keys and (due or not self._keys):
                self._keys = await self._fetch()
                self._fetched_at = time.monotonic()

    async def _look_again(self) -> None:
        """Fetch the keys for what may have come. What is known stays good if auth is away, and
        nobody is kept waiting for long.
        """
        self._fetched_at = time.monotonic()  # meanwhile the others go by what is known
        with suppress(TenonError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                self._keys = await self._fetch()


class TokenVerifier:
    """Verifies access tokens; a token once verified is known by its hash until it expires."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._known: OrderedDict[bytes, Identity] = OrderedDict()

    async def verify(self, token: str) -> Identity:
        """Return whom the token speaks for; BadToken. Says nothing about the session's life."""
        if len(token) > MAX_TOKEN_CHARS:
            raise BadToken
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        identity = self._known.get(digest)
        if identity is None:
            identity = await self._check(token)
            self._remember(digest, identity)
        if identity.expires <= time.time():
            self._known.pop(digest, None)
            raise BadToken
        return identity

    async def _check(self, token: str) -> Identity:
        try:
            kid = _key_id(token)
            key = await self._keys.get(kid)
            try:
                return _identity(_decode(token, key))
            except jwt.InvalidSignatureError:
                return _identity(_decode(token, await self._keys.get_newer(kid, key)))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            raise BadToken from None

    def _remember(self, digest: bytes, identity: Identity) -> None:
        self._known[digest] = identity
        if len(self._known) > CACHED_TOKENS:
            self._known.popitem(last=False)


def _decode(token: str, key: RSAPublicKey) -> Mapping[str, Any]:
    claims: Mapping[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        leeway=LEEWAY_SECONDS,  # of `exp`, too: `verify` is stricter about that
        options={"require": ["exp", "iat", "iss", "aud", "sub", "sid"]},
    )
    return claims


def _identity(claims: Mapping[str, Any]) -> Identity:
    key = _key_scope(claims) if "org" in claims else None
    return Identity(
        None if key else UUID(claims["sub"]),
        UUID(claims["sid"]),
        float(claims["exp"]),
        float(claims.get("auth_time", 0)),  # tokens of an older auth do not say
        frozenset(claims.get("amr", ())),
        key,
        AuditKey.read(claims["audit_key"]) if "audit_key" in claims else None,
    )


def _key_scope(claims: Mapping[str, Any]) -> KeyScope:
    role = Role[claims["role"].upper()]
    return KeyScope(
        UUID(claims["sub"]), UUID(claims["org"]), role, frozenset(claims["permissions"])
    )


def _key_id(token: str) -> str:
    header = jwt.get_unverified_header(token)
    if header.get("alg") != ALGORITHM or header.get("typ") != TOKEN_TYPE or "crit" in header:
        raise BadToken
    return str(header["kid"])
