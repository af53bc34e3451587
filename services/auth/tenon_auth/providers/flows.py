"""One log-in by a provider on its way, which its browser keeps in a cookie.

State, nonce and PKCE verifier are derived from the flow's secret: nothing of a flow is stored, but
that it was finished. The cookie's token is the flow and an HMAC under a key of the keyring, in
URL-safe base64.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tenon_auth.errors import FlowSpent
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.blind_index import BlindIndex

LIFE = timedelta(minutes=10)
SECRET_BYTES = 32
MAC_BYTES = 32
MAX_CHARS = 4_096
"""Of a cookie, in browsers."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Who began it, where, and where it ends; `user_id` and `session_id` only of who connects."""

    id: UUID
    provider: str
    secret: bytes
    return_to: str
    expire_time: datetime
    user_id: UUID | None = None
    session_id: UUID | None = None

    @classmethod
    def begin(
        cls,
        provider: str,
        return_to: str,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
    ) -> "Flow":
        expires = clock.now() + LIFE
        secret = secrets.token_bytes(SECRET_BYTES)
        return cls(uuid7(), provider, secret, return_to, expires, user_id, session_id)

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """The PKCE code verifier (RFC 7636): 43 characters."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def has_state(self, state: str) -> bool:
        return hmac.compare_digest(state.encode(), self.state.encode())

    def _derived(self, what: str) -> str:
        return _base64(hmac.digest(self.secret, what.encode(), hashlib.sha256))

    def pack(self) -> bytes:
        fields = {
            "id": str(self.id),
            "provider": self.provider,
            "secret": self.secret.hex(),
            "return_to": self.return_to,
            "expires": self.expire_time.timestamp(),
            "user": str(self.user_id) if self.user_id else "",
            "session": str(self.session_id) if self.session_id else "",
        }
        return json.dumps(fields).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> "Flow":
        fields: Mapping[str, Any] = json.loads(packed)
        return cls(
            UUID(fields["id"]),
            fields["provider"],
            bytes.fromhex(fields["secret"]),
            fields["return_to"],
            datetime.fromtimestamp(fields["expires"], UTC),
            UUID(fields["user"]) if fields["user"] else None,
            UUID(fields["session"]) if fields["session"] else None,
        )


class FlowTokens:
    """Makes flows' tokens, and reads them back."""

    def __init__(self, keys: BlindIndex) -> None:
        self._keys = keys

    async def make(self, flow: Flow) -> str:
        body = flow.pack()
        current, *_ = await self._keys.terms(body)
        return _base64(current.digest + body)

    async def read(self, token: str) -> Flow:
        """Return the flow of a token that auth made lately; FlowSpent."""
        if len(token) > MAX_CHARS:
            raise FlowSpent
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise FlowSpent from None
        if len(raw) <= MAC_BYTES:
            raise FlowSpent
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        known = await self._keys.terms(body)
        if not any(hmac.compare_digest(mac, term.digest) for term in known):
            raise FlowSpent
        flow = Flow.unpack(body)
        if clock.now() >= flow.expire_time:
            raise FlowSpent
        return flow


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
