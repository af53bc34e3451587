"""Unwrapped data keys in the memory of a process, for a minute."""

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from tenon_crypto.cells import Owner
from tenon_crypto.envelope import DataKey

SECONDS = 60.0
"""How long a process may still read what a destroyed key encrypted."""
MAX_KEYS = 10_000


class KeyCache:
    """Keys in the order in which they came, so that the first is the oldest."""

    def __init__(
        self, *, max_keys: int = MAX_KEYS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_keys = max_keys
        self._now = now
        self._keys: OrderedDict[UUID, tuple[float, DataKey]] = OrderedDict()

    def find(self, key_id: UUID) -> DataKey | None:
        self._drop_expired()
        kept = self._keys.get(key_id)
        return kept[1] if kept else None

    def add(self, key: DataKey) -> None:
        self._drop_expired()
        self._keys[key.id] = (self._now() + SECONDS, key)
        self._keys.move_to_end(key.id)
        if len(self._keys) > self._max_keys:
            self._keys.popitem(last=False)

    def forget(self, owner: Owner) -> None:
        """Drop an owner's keys now, in this process."""
        for key_id in [key.id for _, key in self._keys.values() if key.owner == owner]:
            del self._keys[key_id]

    def _drop_expired(self) -> None:
        while self._keys:
            expires, key = next(iter(self._keys.values()))
            if expires > self._now():
                return
            del self._keys[key.id]
