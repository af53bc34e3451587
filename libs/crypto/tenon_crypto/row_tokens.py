"""Tokens of rows that somebody owns, such as those that mailed links hold.

A token is the owner's id, the row's id, and an HMAC of both and of what it is good for, in URL-safe
base64. It is stored nowhere: whoever reads the database makes none.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.keyring import Keyring

LENGTH = 16 + 16 + 32


@dataclass(frozen=True, slots=True)
class OwnedRow:
    """What a token is of."""

    owner_id: UUID
    id: UUID


class RowTokens:
    """Derives the tokens of one table's rows, and reads them back."""

    def __init__(self, keyring: Keyring, schema: str, table: str) -> None:
        self._keys = BlindIndex(keyring, schema, table, "token")

    async def derive(self, row: OwnedRow, purpose: str = "") -> str:
        body = row.owner_id.bytes + row.id.bytes
        current, *_ = await self._macs(body, purpose)
        return base64.urlsafe_b64encode(body + current).rstrip(b"=").decode()

    async def read(self, token: str, purpose: str = "") -> OwnedRow | None:
        """Return what a token is of; None for what was not derived here, for this purpose.

        White space is ignored: mail programs break long links.
        """
        token = "".join(token.split())
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
        return OwnedRow(UUID(bytes=body[:16]), UUID(bytes=body[16:]))

    async def _macs(self, body: bytes, purpose: str) -> list[bytes]:
        return [term.digest for term in await self._keys.terms(body + purpose.encode())]
