"""The keys that sign access tokens, read from files so that all replicas share them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_policy.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE

ACCESS_TOKEN_SECONDS = 300
JITTER_SECONDS = 30
"""Some tokens live shorter, so that clients that began together do not all refresh together."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey


class SigningKeyService:
    """Signs with the newest key; every key that is there verifies."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        """Take the keys from oldest to newest; there must be one."""
        self.keys = tuple(keys)

    async def public_keys(self) -> Mapping[str, RSAPublicKey]:
        """Return the keys that verify, by id."""
        return {key.kid: key.key.public_key() for key in self.keys}

    def sign(self, user_id: UUID, session_id: UUID, *, until: datetime) -> tuple[str, datetime]:
        """Return an access token (RFC 9068) and when it expires, not after `until`."""
        issued = clock.now()
        life = ACCESS_TOKEN_SECONDS - secrets.randbelow(JITTER_SECONDS + 1)
        expires = min(until, issued + timedelta(seconds=life))
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": issued,
            "exp": expires,
            "jti": str(uuid7()),
        }
        newest = self.keys[-1]
        headers = {"kid": newest.kid, "typ": TOKEN_TYPE}
        return jwt.encode(claims, newest.key, ALGORITHM, headers), expires


def load_signing_keys(directory: Path) -> list[SigningKey]:
    """Read `<kid>.pem` files in the order of their names; exit if there is none."""
    keys = [_load(path) for path in sorted(directory.glob("*.pem"))]
    if not keys:
        raise SystemExit(
            f"there is no signing key in {directory}: put an RSA private key of 2048 bits or more"
            " there as <kid>.pem"
        )
    return keys


def _load(path: Path) -> SigningKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise SystemExit(f"{path} is not an RSA private key")
    return SigningKey(path.stem, key)
