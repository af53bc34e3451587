"""Tokens of links: the organization's id, the link's id, and an HMAC of both under a key that the
database does not have; in URL-safe base64. So whoever reads the database cannot use a link.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from tenon_crypto.blind_index import BlindIndex

LENGTH = 16 + 16 + 32


@dataclass(frozen=True, slots=True)
class InvitationLink:
    org_id: UUID
    id: UUID


class InvitationTokens:
    """Derives tokens, and reads them back."""

    def __init__(self, keys: BlindIndex) -> None:
        self._keys = keys

    async def derive(self, link: InvitationLink) -> str:
        body = link.org_id.bytes + link.id.bytes
        current, *_ = await self._keys.terms(body)
        return base64.urlsafe_b64encode(body + current.digest).rstrip(b"=").decode()

    async def read(self, token: str) -> InvitationLink | None:
        """Return the link that a token is of; None for what tenancy has not made."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != LENGTH:
            return None
        body, mac = raw[:32], raw[32:]
        known = await self._keys.terms(body)
        if not any(hmac.compare_digest(mac, term.digest) for term in known):
            return None
        return InvitationLink(UUID(bytes=body[:16]), UUID(bytes=body[16:]))
