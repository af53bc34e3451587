"""Refresh tokens: derived, so that the database holds none.

A token is user id, session id, generation (4 bytes) and HMAC-SHA256 of the latter two under the
session's family key, in URL-safe base64.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from tenon_auth.sessions.models import Session
from tenon_core.errors import SessionEnded

LENGTH = 16 + 16 + 4 + 32


@dataclass(frozen=True, slots=True)
class RefreshToken:
    user_id: UUID
    session_id: UUID
    generation: int
    mac: bytes

    def proves(self, session: Session) -> bool:
        """Say whether auth made this token for this session."""
        return hmac.compare_digest(self.mac, _mac(session, self.generation))


def derive(session: Session) -> str:
    """Return the session's current token."""
    raw = (
        session.user_id.bytes
        + session.id.bytes
        + session.generation.to_bytes(4, "big")
        + _mac(session, session.generation)
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse(token: str) -> RefreshToken:
    """Read a token; SessionEnded for what cannot be one of ours."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SessionEnded from None
    if len(raw) != LENGTH:
        raise SessionEnded
    return RefreshToken(
        UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), int.from_bytes(raw[32:36], "big"), raw[36:]
    )


def _mac(session: Session, generation: int) -> bytes:
    message = session.id.bytes + generation.to_bytes(4, "big")
    return hmac.digest(session.family_key, message, hashlib.sha256)
