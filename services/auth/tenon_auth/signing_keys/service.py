"""The keys that sign access tokens, read from files so that all replicas share them."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tenon_auth.signing_keys import files
from tenon_auth.signing_keys.files import SigningKey
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_policy.api_keys import KeyScope
from tenon_policy.audit_clients import AuditKey
from tenon_policy.tokens import ALGORITHM, AUDIENCE, ISSUER, KEYS_SECONDS, TOKEN_TYPE

ACCESS_TOKEN_SECONDS = 300
"""The longest life of an access token, and the default."""
JITTER_SHARE = 0.1
"""Some tokens live shorter, so that clients that began together do not all refresh together."""
LOOK_SECONDS = 5.0
SETTLE_SECONDS = 2 * KEYS_SECONDS
"""A key is published so long before it signs, for whoever verifies to have it by then."""

log = structlog.get_logger()

_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says; it does not live longer than `until`."""

    user_id: UUID
    session_id: UUID
    auth_time: datetime
    methods: Sequence[str]
    until: datetime
    audit_key: AuditKey


@dataclass(frozen=True, slots=True)
class KeyClaims:
    """What an access token says of the API key whose secret it was exchanged for."""

    scope: KeyScope
    secret_id: UUID
    until: datetime
    audit_key: AuditKey | None


class SigningKeyService:
    """Signs with the newest key that has settled; every key that is there verifies.

    Keys may come and go while it runs: see `rotation.py`.
    """

    def __init__(
        self, directory: Path, token_life: timedelta = timedelta(seconds=ACCESS_TOKEN_SECONDS)
    ) -> None:
        """Read the keys; exit if there is none."""
        self._directory = directory
        self._token_life = token_life
        self._keys: dict[str, SigningKey] = {}
        self._signs_from: dict[str, float] = {}
        self._looked_at = float("-inf")
        self._look(settles=0.0)  # what was there before us is known already
        if not self._keys:
            raise SystemExit(
                f"there is no signing key in {directory}: put an RSA private key of 2048 bits or"
                " more there as <kid>.pem"
            )

    @property
    def keys(self) -> Sequence[SigningKey]:
        """Every key, from oldest to newest."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look(settles=SETTLE_SECONDS)
        return [self._keys[kid] for kid in sorted(self._keys)]

    async def public_keys(self) -> Mapping[str, RSAPublicKey]:
        """Return the keys that verify, by id."""
        return {key.kid: key.key.public_key() for key in self.keys}

    def sign(self, said: AccessClaims) -> tuple[str, datetime]:
        """Return an access token (RFC 9068) of a session, and when it expires."""
        claims = {
            "sub": str(said.user_id),
            "sid": str(said.session_id),
            "auth_time": int(said.auth_time.timestamp()),
            "amr": list(said.methods),
            "audit_key": said.audit_key.claim,
        }
        return self._sign(claims, said.until)

    def sign_for_key(self, said: KeyClaims) -> tuple[str, datetime]:
        """Return an access token of an API key, and when it expires; nobody logged in for it."""
        scope = said.scope
        claims: dict[str, object] = {
            "sub": str(scope.key_id),
            "sid": str(said.secret_id),
            "org": str(scope.org_id),
            "role": scope.role.name.lower(),
            "permissions": sorted(scope.permissions),
            "auth_time": 0,
        }
        if said.audit_key:
            claims["audit_key"] = said.audit_key.claim
        return self._sign(claims, said.until)

    def _sign(self, said: Mapping[str, object], until: datetime) -> tuple[str, datetime]:
        issued = clock.now()
        expires = min(until, issued + self._token_life * _random.uniform(1 - JITTER_SHARE, 1))
        claims = {
            **said,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": expires,
            "jti": str(uuid7()),
        }
        signing = self._signing()
        headers = {"kid": signing.kid, "typ": TOKEN_TYPE}
        return jwt.encode(claims, signing.key, ALGORITHM, headers), expires

    def _signing(self) -> SigningKey:
        keys, now = self.keys, time.monotonic()
        settled = [key for key in keys if self._signs_from[key.kid] <= now]
        return settled[-1] if settled else keys[-1]

    def _look(self, *, settles: float) -> None:
        """See which keys came and went."""
        self._looked_at = time.monotonic()
        found = files.names(self._directory)
        loaded = {kid: self._keys.get(kid) or files.load(self._directory, kid) for kid in found}
        keys = {kid: key for kid, key in loaded.items() if key is not None}
        if not keys and self._keys:
            log.error("the signing keys are gone; going on with those known")
            return
        for kid in keys.keys() - self._keys.keys():
            self._signs_from[kid] = self._looked_at + settles
        self._keys = keys
