"""What a passkey is asked to sign: when that ends, random bits, and an HMAC of both and of whom and
what it is for. So nothing is kept of a challenge before it is answered, and nobody else makes one.
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from tenon_auth.errors import ChallengeSpent
from tenon_auth.passkeys.repository import ChallengeRepository
from tenon_core import clock
from tenon_crypto.blind_index import BlindIndex
from tenon_db.transaction import Transaction

LIFE = timedelta(minutes=5)
TIME_BYTES = 8
NONCE_BYTES = 16
BODY_BYTES = TIME_BYTES + NONCE_BYTES


class Purpose(StrEnum):
    """What a challenge is for; its answer is good for nothing else."""

    REGISTER = "register"
    LOG_IN = "log_in"
    SECOND_FACTOR = "second_factor"
    CONFIRM = "confirm"


class Challenges:
    """Makes challenges, and takes each back once."""

    def __init__(self, keys: BlindIndex) -> None:
        self._keys = keys

    async def make(self, purpose: Purpose, user_id: UUID | None) -> bytes:
        """Return a challenge for a user; for a log-in, whose user nobody knows yet, for None."""
        end = int((clock.now() + LIFE).timestamp())
        body = end.to_bytes(TIME_BYTES, "big") + secrets.token_bytes(NONCE_BYTES)
        current, *_ = await self._macs(body, purpose, user_id)
        return body + current

    async def spend(
        self, tx: Transaction, challenge: bytes, purpose: Purpose, user_id: UUID | None
    ) -> None:
        """Take a challenge in the transaction of its answer's effect; ChallengeSpent if it is not
        for that, if its time is over, or if somebody was faster.
        """
        body, mac = challenge[:BODY_BYTES], challenge[BODY_BYTES:]
        known = await self._macs(body, purpose, user_id)
        if not any(hmac.compare_digest(mac, one) for one in known):
            raise ChallengeSpent
        at, end = clock.now(), datetime.fromtimestamp(int.from_bytes(body[:TIME_BYTES], "big"), UTC)
        digest = hashlib.sha256(challenge).digest()
        if at >= end or not await ChallengeRepository(tx).spend(digest, end):
            raise ChallengeSpent
        await ChallengeRepository(tx).delete_old(at)

    async def _macs(self, body: bytes, purpose: Purpose, user_id: UUID | None) -> list[bytes]:
        owner = user_id.bytes if user_id else b""
        return [term.digest for term in await self._keys.terms(body + owner + purpose.encode())]
