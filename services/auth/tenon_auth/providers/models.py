"""Providers of identities (OpenID Connect), as the operator names them, and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

OPENID = "openid"
MAX_CHARS = 320
"""Of an address, the longest that a person's name or address may be."""


def is_safe_url(url: str) -> bool:
    """Say whether what is sent there is read by nobody else: https, or loopback."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        return False
    if not parts.hostname or not port_is_valid or parts.username is not None or parts.fragment:
        return False
    if not url.isascii() or not url.isprintable() or " " in url:
        return False  # it becomes a header
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _valid_issuer(issuer: str) -> str:
    if not is_safe_url(issuer) or "?" in issuer:
        raise ValueError("must be an https URL (http for loopback alone) without query or fragment")
    return issuer


def _valid_scopes(scopes: str) -> str:
    if OPENID not in scopes.split():
        raise ValueError(f"must hold `{OPENID}`, such as `openid email profile`")
    return scopes


class ProviderSettings(BaseModel):
    """One provider; it must have a discovery document (`/.well-known/openid-configuration`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
    """As it is in paths: also in the redirect URI that the provider is told."""
    title: str = Field(min_length=1, max_length=100)
    issuer: Annotated[str, AfterValidator(_valid_issuer)]
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    scopes: Annotated[str, AfterValidator(_valid_scopes)] = "openid email profile"
    trust_email: bool = False
    """Whether an address of theirs is verified that they do not call so. Only for a provider where
    none but the operator's own people get to say which address is theirs."""

    def vouches(self, email_verified: object) -> bool:
        """Say whether the provider vouches for an address, by its claim `email_verified`.

        Only JSON's `true` says so. Some say "true", as text: that counts where they are trusted.
        """
        if email_verified is True:
            return True
        return self.trust_email and email_verified in (None, "true")


def require_distinct(providers: tuple[ProviderSettings, ...]) -> tuple[ProviderSettings, ...]:
    """Return providers of which no two have a name or an issuer in common; ValueError."""
    for field in ("name", "issuer"):
        values = [getattr(provider, field) for provider in providers]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"two providers have the {field} {twice[0]}")
    return providers


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser brings back from a provider, and what it was given for the way."""

    provider: str
    flow_token: str
    state: str
    code: str
    iss: str
    error: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider has logged in: `subject` names them for ever, among the issuer's."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str

    @classmethod
    def of(cls, provider: ProviderSettings, claims: Mapping[str, Any]) -> "Person":
        email = _text(claims, "email")
        return cls(
            issuer=provider.issuer,
            subject=claims["sub"],
            email=email,
            email_verified=bool(email) and provider.vouches(claims.get("email_verified")),
            name=_text(claims, "name") or _text(claims, "preferred_username"),
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return what can be an address or a name; empty for anything else."""
    value = claims.get(name)
    if not isinstance(value, str) or len(value) > MAX_CHARS or not value.isprintable():
        return ""
    return value.strip()
