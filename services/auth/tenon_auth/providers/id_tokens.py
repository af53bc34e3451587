"""Whether an ID token is the provider's, for us, and for this log-in (OpenID Connect Core,
3.1.3.7).

No token says by itself how it is to be believed: algorithms that need no key, or ours, are never
taken, and keys are the provider's published ones alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import structlog

from tenon_auth.errors import IdTokenInvalid
from tenon_auth.providers.documents import Documents
from tenon_auth.providers.models import ProviderSettings

KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""The algorithms that are believed, where the provider says that it signs by them."""
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
LEEWAY_SECONDS = 60
SIGNATURE_PAUSE_SECONDS = 5.0
"""How often the keys are fetched again for bad signatures."""
MAX_SUBJECT_CHARS = 255
UNUSABLE = (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
"""What the library raises for tokens, keys and numbers that make no sense."""

Jwk = Mapping[str, Any]
Claims = Mapping[str, Any]

log = structlog.get_logger()


async def verified(
    token: str, provider: ProviderSettings, documents: Documents, nonce: str
) -> Claims:
    """Return what a token says; IdTokenInvalid, ProviderUnavailable."""
    try:
        claims = await _claims(token, provider, documents)
    except UNUSABLE as error:
        raise _invalid(provider, type(error).__name__) from None
    for claim, holds in _checks(claims, provider, nonce).items():
        if not holds:
            raise _invalid(provider, claim)
    return claims


def _checks(claims: Claims, provider: ProviderSettings, nonce: str) -> Mapping[str, bool]:
    audience, party = claims["aud"], claims.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    subject = claims["sub"]
    return {
        "nonce": claims.get("nonce") == nonce,
        "azp": party == provider.client_id or (party is None and not several),
        "sub": subject.isascii() and 0 < len(subject) <= MAX_SUBJECT_CHARS,
    }


async def _claims(token: str, provider: ProviderSettings, documents: Documents) -> Claims:
    """Return the claims of a token that the provider's key has signed.

    The keys are fetched again for a key that is not known, and once for a signature that does not
    fit: some providers replace a key and keep its id.
    """
    header = jwt.get_unverified_header(token)
    algorithm = header.get("alg")
    if algorithm not in KEY_TYPES or algorithm not in (await documents.metadata()).algorithms:
        raise jwt.InvalidAlgorithmError
    known = await documents.keys.get()
    try:
        return _decode(token, header, known, provider)
    except (jwt.InvalidKeyError, jwt.InvalidSignatureError) as error:
        is_signature = isinstance(error, jwt.InvalidSignatureError)
        pause = SIGNATURE_PAUSE_SECONDS if is_signature else 0.0
        newer = await documents.keys.get_newer(known, pause)
        if newer is known:
            raise
        return _decode(token, header, newer, provider)


def _decode(
    token: str, header: Mapping[str, Any], keys: Sequence[Jwk], provider: ProviderSettings
) -> Claims:
    """Return the claims of a token that the one fitting key has signed."""
    fitting = _fitting(keys, header)
    if len(fitting) != 1:
        raise jwt.InvalidKeyError
    claims: Claims = jwt.decode(
        token,
        jwt.PyJWK(dict(fitting[0]), header["alg"]),
        algorithms=[header["alg"]],
        audience=provider.client_id,
        issuer=provider.issuer,
        leeway=LEEWAY_SECONDS,
        options={"require": list(REQUIRED)},
    )
    return claims


def _fitting(keys: Sequence[Jwk], header: Mapping[str, Any]) -> list[Jwk]:
    """Return the keys that a token may name; one that names none needs a provider of one key."""
    kid, algorithm = header.get("kid"), header["alg"]
    return [
        key
        for key in keys
        if key.get("kty") == KEY_TYPES[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]


def _invalid(provider: ProviderSettings, reason: str) -> IdTokenInvalid:
    log.warning("an ID token was refused", provider=provider.name, reason=reason)
    return IdTokenInvalid()
