"""What was known lately, for when nobody who knows can be asked."""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

STALE_SECONDS = 30.0
MAX_KEPT = 100_000


class LastKnown(Generic[K]):
    """Levels by key, each for `STALE_SECONDS`."""

    def __init__(self) -> None:
        self._levels: OrderedDict[K, tuple[float, int]] = OrderedDict()

    def note(self, levels: Mapping[K, int | None]) -> None:
        """Keep what was just said; None says that a change is under way, so nothing is known."""
        until = time.monotonic() + STALE_SECONDS
        for key, level in levels.items():
            if level is None:
                self._levels.pop(key, None)
            else:
                self._levels[key] = (until, level)
        while len(self._levels) > MAX_KEPT:
            self._levels.popitem(last=False)

    def forget(self, keys: Iterable[K]) -> None:
        for key in keys:
            self._levels.pop(key, None)

    def find(self, key: K) -> int | None:
        until, level = self._levels.get(key, (0.0, 0))
        return level if until > time.monotonic() else None
