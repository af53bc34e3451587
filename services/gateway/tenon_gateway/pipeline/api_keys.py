"""API keys, each exchanged for an access token; from there on they go the way of all tokens."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tenon_core.coalescing import Coalescer
from tenon_core.errors import InvalidApiKey
from tenon_policy.api_keys import is_well_formed

KEPT = 50_000
REFUSED_SECONDS = 10.0
"""How long a key that auth does not take is not asked about again."""
MARGIN_SECONDS = 10.0
"""An access token is not used so shortly before it expires: its request takes a while."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """An access token, and until when it is good, in seconds of the epoch."""

    token: str
    expires: float


@dataclass(frozen=True, slots=True)
class _Known:
    token: str | None
    until: float


class ApiKeys:
    """Access tokens by the hashes of secrets; those that wait for the same one ask once.

    What is kept says nothing of the key's life: as for a session, the grants do.
    """

    def __init__(self, exchange: Callable[[str], Awaitable[Exchanged | None]]) -> None:
        """`exchange` asks auth, and returns None for a secret that it does not take."""
        self._exchange = exchange
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked = Coalescer[str, str | None](self._ask)

    def find(self, secret: str) -> str | None:
        """Return the access token that a secret was exchanged for before."""
        known = self._find(secret)
        return known.token if known else None

    async def exchange(self, secret: str) -> str:
        """Return an access token for a secret; InvalidApiKey."""
        if not is_well_formed(secret):
            raise InvalidApiKey
        known = self._find(secret)
        token = known.token if known else await self._asked.get(secret)
        if token is None:
            raise InvalidApiKey
        return token

    def _find(self, secret: str) -> _Known | None:
        known = self._known.get(_digest(secret))
        return known if known and known.until > time.time() else None

    async def _ask(self, secrets: Sequence[str]) -> Mapping[str, str | None]:
        found = await asyncio.gather(*map(self._exchange, secrets))
        for secret, exchanged in zip(secrets, found, strict=True):
            self._keep(secret, exchanged)
        tokens = (exchanged.token if exchanged else None for exchanged in found)
        return dict(zip(secrets, tokens, strict=True))

    def _keep(self, secret: str, exchanged: Exchanged | None) -> None:
        digest = _digest(secret)
        if exchanged is None:
            self._known[digest] = _Known(None, time.time() + REFUSED_SECONDS)
        else:
            self._known[digest] = _Known(exchanged.token, exchanged.expires - MARGIN_SECONDS)
        self._known.move_to_end(digest)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
