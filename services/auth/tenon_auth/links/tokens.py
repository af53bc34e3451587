"""Tokens of links: user id, link id, and an HMAC of both and the purpose under a key that the
database does not have; in URL-safe base64. So whoever reads the database cannot use a link.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from tenon_auth.links.models import Link, Purpose
from tenon_crypto.blind_index import BlindIndex

LENGTH = 16 + 16 + 32


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A token that auth made for a purpose."""

    user_id: UUID
    link_id: UUID


class LinkTokens:
    """Derives tokens, and reads them back."""

    def __init__(self, keys: BlindIndex) -> None:
        self._keys = keys

    async def derive(self, link: Link) -> str:
        body = link.user_id.bytes + link.id.bytes
        current, *_ = await self._macs(body, link.purpose)
        return base64.urlsafe_b64encode(body + current).rstrip(b"=").decode()

    async def read(self, token: str, purpose: Purpose) -> LinkToken | None:
        """Return what a token says; None for what auth has not made for this purpose."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != LENGTH:
            return None
        body, mac = raw[:32], raw[32:]
        known = await self._macs(body, purpose)
        if not any(hmac.compare_digest(mac, one) for one in known):
            return None
        return LinkToken(UUID(bytes=body[:16]), UUID(bytes=body[16:]))

    async def _macs(self, body: bytes, purpose: Purpose) -> list[bytes]:
        return [term.digest for term in await self._keys.terms(body + purpose.encode())]
