"""Byte budgets: how much of request bodies, and of replies, the process holds at once."""

from collections import Counter
from collections.abc import Hashable

from tenon_core.limits import IN_USE, Limit, Per, define
from tenon_gateway.errors import GatewayBusy
from tenon_gateway.settings import GatewaySettings

_PREFIX = GatewaySettings.model_config["env_prefix"]

REQUEST_BYTES = define(
    Limit(
        "request_bytes_in_flight",
        "the bytes of request bodies larger than 64 KiB that are held at once, a quarter of them "
        "for one client",
        Per.PROCESS,
        f"{_PREFIX}REQUEST_BYTES_IN_FLIGHT",
        error=GatewayBusy,
    )
)
REPLY_BYTES = define(
    Limit(
        "reply_bytes_in_flight",
        "the bytes of replies larger than 64 KiB that are held at once, a quarter of them for "
        "one client",
        Per.PROCESS,
        f"{_PREFIX}REPLY_BYTES_IN_FLIGHT",
        error=GatewayBusy,
    )
)
UNCOUNTED_BYTES = 64 * 1024
"""A body of this size is not counted, so that a full budget refuses no small request: the server
buffers as much for each connection anyway."""
SHARES = 4
"""One client gets a quarter of a budget at most, unless a single body takes more."""
RETRY_SECONDS = 1.0


class ByteBudget:
    """Bytes that bodies may take at once, in all and for each client."""

    def __init__(self, limit: Limit, max_bytes: int) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._held = 0
        self._held_by: Counter[Hashable] = Counter()

    def take(self, client: Hashable, size: int, *, own: int = 0) -> None:
        """Count bytes of a client's body, of which it holds its `own` already; GatewayBusy."""
        used = self._held_by[client]
        over_share = used > own and used + size > self._max_bytes // SHARES
        if over_share or self._held + size > self._max_bytes:
            raise self._limit.exceeded(RETRY_SECONDS)
        self._add(client, size)

    def give_back(self, client: Hashable, size: int) -> None:
        self._add(client, -size)
        if not self._held_by[client]:
            del self._held_by[client]

    def _add(self, client: Hashable, size: int) -> None:
        self._held += size
        self._held_by[client] += size
        IN_USE.labels(self._limit.name).set(self._held)


class Hold:
    """What one request holds of a budget until it has ended."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._client: Hashable = None
        self._size = 0

    def grow_to(self, client: Hashable, size: int) -> None:
        """Hold this many bytes; GatewayBusy. The client must be the same each time."""
        if size > max(self._size, UNCOUNTED_BYTES):
            self._budget.take(client, size - self._size, own=self._size)
            self._client, self._size = client, size

    def release(self) -> None:
        if self._size:
            self._budget.give_back(self._client, self._size)
            self._size = 0
