import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import structlog

from tenon_auth.errors import (
    IdTokenInvalid,
    ProviderDenied,
    ProviderNotFound,
    ProviderRefused,
    ProviderUnavailable,
)
from tenon_auth.providers import fetching, id_tokens
from tenon_auth.providers.documents import Documents, Metadata
from tenon_auth.providers.fetching import OK
from tenon_auth.providers.flows import Flow
from tenon_auth.providers.models import Answer, Person, ProviderSettings

ACCESS_DENIED = "access_denied"
PATIENCE_SECONDS = 10.0
"""For all that a provider is asked at once."""

log = structlog.get_logger()


class Provider:
    """One provider: where a log-in goes, and who comes back (OpenID Connect Core 1.0, by code)."""

    def __init__(self, settings: ProviderSettings, public_url: str) -> None:
        self.settings = settings
        self._redirect_uri = f"{public_url.rstrip('/')}/api/auth/oidc/{settings.name}/callback"
        self._documents = Documents(settings.issuer)

    async def url(self, flow: Flow) -> str:
        """Return where a browser begins; ProviderUnavailable."""
        async with _patience():
            metadata = await self._documents.metadata()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self.settings.scopes,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = urlsplit(metadata.authorization_endpoint)
        query = urlencode([*parse_qsl(endpoint.query), *asked.items()])
        return endpoint._replace(query=query).geturl()

    async def redeem(self, answer: Answer, flow: Flow) -> Person:
        """Return whom a provider's answer is about; ProviderDenied, ProviderRefused,
        ProviderUnavailable, IdTokenInvalid.
        """
        async with _patience():
            metadata = await self._documents.metadata()
            self._require_code(answer, metadata)
            tokens = await self._exchange(answer.code, flow, metadata)
            claims = await id_tokens.verified(
                _text(tokens, "id_token"), self.settings, self._documents, flow.nonce
            )
            return Person.of(self.settings, await self._completed(claims, tokens, metadata))

    def _require_code(self, answer: Answer, metadata: Metadata) -> None:
        """Refuse an answer of somebody else (RFC 9207), and one that is a refusal.

        Some providers name themselves in all of their answers but refusals, which give nothing.
        """
        named = bool(answer.iss) or (metadata.says_issuer and not answer.error)
        if named and answer.iss != self.settings.issuer:
            log.warning("an answer names another issuer", provider=self.settings.name)
            raise ProviderRefused
        if answer.error == ACCESS_DENIED:
            raise ProviderDenied
        if answer.error or not answer.code:
            log.warning("the provider refused a log-in", provider=self.settings.name)
            raise ProviderRefused

    async def _exchange(self, code: str, flow: Flow, metadata: Metadata) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": flow.verifier,
        }
        secret = self.settings.client_secret.get_secret_value()
        headers = {}
        if metadata.takes_basic:
            headers["authorization"] = _basic(self.settings.client_id, secret)
        else:
            form |= {"client_id": self.settings.client_id, "client_secret": secret}
        reply = await fetching.post(metadata.token_endpoint, form, headers=headers)
        if reply.status != OK:
            self._say_why_not(reply.status, reply.body)
            raise ProviderUnavailable if reply.status >= 500 else ProviderRefused  # noqa: PLR2004 # HTTP's
        return reply.body

    async def _completed(
        self, claims: Mapping[str, Any], tokens: Mapping[str, Any], metadata: Metadata
    ) -> Mapping[str, Any]:
        """Add what the provider says of the same person elsewhere, where the token has no address:
        some put it nowhere else (OpenID Connect Core, 5.4), nor whether it is verified.
        """
        access_token = _text(tokens, "access_token")
        if claims.get("email") or not metadata.userinfo_endpoint or not access_token:
            return claims
        told = await fetching.get(metadata.userinfo_endpoint, bearer=access_token)
        if told.get("sub") != claims["sub"]:
            raise IdTokenInvalid
        address = {name: told.get(name) for name in ("email", "email_verified")}
        return {**told, **claims, **address}

    def _say_why_not(self, status: int, body: Mapping[str, Any]) -> None:
        error = _text(body, "error")  # a word of RFC 6749, 5.2; the rest may be personal
        error = error[:100] if error.isascii() and error.isprintable() else ""
        log.warning(
            "the provider gave no token", provider=self.settings.name, status=status, error=error
        )


class ProviderService:
    """The providers that the operator has named."""

    def __init__(self, settings: Sequence[ProviderSettings], public_url: str) -> None:
        self._providers = {one.name: Provider(one, public_url) for one in settings}

    def list(self) -> Sequence[ProviderSettings]:
        return [provider.settings for provider in self._providers.values()]

    def get(self, name: str) -> Provider:
        """Return a provider by its name; ProviderNotFound."""
        if name not in self._providers:
            raise ProviderNotFound
        return self._providers[name]

    def find(self, issuer: str) -> ProviderSettings | None:
        return next((one for one in self.list() if one.issuer == issuer), None)


def _basic(client_id: str, secret: str) -> str:
    """Write both as RFC 6749, 2.3.1 has it: encoded as in a form first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Bound all that a provider is asked at once; ProviderUnavailable when it is over."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError:
        raise ProviderUnavailable from None
