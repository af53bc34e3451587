"""What a provider publishes of itself: its endpoints and its keys, kept for an hour."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from tenon_auth.errors import ProviderUnavailable
from tenon_auth.providers import fetching
from tenon_auth.providers.models import is_safe_url

KEPT_SECONDS = 3_600.0
MAX_KEYS = 100
DISCOVERY = "/.well-known/openid-configuration"
BASIC = "client_secret_basic"
OPTIONAL = "userinfo_endpoint"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", OPTIONAL)

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Metadata:
    """The parts of a discovery document (OpenID Connect Discovery 1.0, 3) that a log-in needs."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    algorithms: frozenset[str]
    takes_basic: bool
    """Whether the client's secret goes into a header, and not into the form."""
    says_issuer: bool
    """Whether each answer names its issuer (RFC 9207)."""

    @classmethod
    def of(cls, issuer: str, said: Mapping[str, Any]) -> "Metadata":
        """Read a document; ProviderUnavailable if it is another issuer's, or sends us elsewhere
        than to https.
        """
        urls = {name: said.get(name) or "" for name in ENDPOINTS}
        complete = all(urls[name] for name in ENDPOINTS if name != OPTIONAL)
        if said.get("issuer") != issuer or not complete or not all(map(_is_usable, urls.values())):
            log.error("the provider's discovery document is not usable", issuer=issuer)
            raise ProviderUnavailable
        methods = _texts(said, "token_endpoint_auth_methods_supported") or {BASIC}
        return cls(
            **urls,
            algorithms=_texts(said, "id_token_signing_alg_values_supported")
            or frozenset({"RS256"}),
            takes_basic=BASIC in methods,
            says_issuer=said.get("authorization_response_iss_parameter_supported") is True,
        )


def _is_usable(url: object) -> bool:
    return url == "" or (isinstance(url, str) and is_safe_url(url))


def _texts(said: Mapping[str, Any], name: str) -> frozenset[str]:
    values = said.get(name)
    return frozenset(filter(_is_text, values)) if isinstance(values, list) else frozenset()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


class Kept(Generic[T]):
    """Something that is fetched once in an hour, by one at a time."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._forced_at = float("-inf")

    async def get(self) -> T:
        async with self._lock:
            if self._value is None or time.monotonic() - self._fetched_at > KEPT_SECONDS:
                await self._renew()
            assert self._value is not None
            return self._value

    async def get_newer(self, than: T, pause_seconds: float = 0.0) -> T:
        """Fetch it again unless it was fetched since `than` was returned, or by such a call within
        the pause; returns `than` then.
        """
        async with self._lock:
            due = time.monotonic() - self._forced_at >= pause_seconds
            if self._value is than and due:
                self._forced_at = time.monotonic()
                await self._renew()
            assert self._value is not None
            return self._value

    async def _renew(self) -> None:
        self._value = await self._fetch()
        self._fetched_at = time.monotonic()


class Documents:
    """The documents of one provider."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._metadata = Kept(self._fetch_metadata)
        self.keys = Kept(self._fetch_keys)

    async def metadata(self) -> Metadata:
        """Return what the provider says of itself; ProviderUnavailable."""
        return await self._metadata.get()

    async def _fetch_metadata(self) -> Metadata:
        said = await fetching.get(self._issuer.rstrip("/") + DISCOVERY)
        return Metadata.of(self._issuer, said)

    async def _fetch_keys(self) -> Sequence[Mapping[str, Any]]:
        keys = (await fetching.get((await self.metadata()).jwks_uri)).get("keys")
        if not isinstance(keys, list):
            raise ProviderUnavailable
        return [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]
