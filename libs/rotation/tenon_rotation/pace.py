"""How fast old values are written anew: in small transactions, with pauses for everybody else."""

import asyncio
import time

BATCH = 200
"""Rows locked at once: others wait for them, if they write the same, for some milliseconds."""
SHARE = 0.5
"""Of the time in which a rotation works; it pauses for the rest."""
SLICE_SECONDS = 20.0
"""After so long a job is done and the next goes on, so that none is ever given up as poison."""


class Pace:
    """The pace of one job."""

    def __init__(self, *, share: float = SHARE, seconds: float = SLICE_SECONDS) -> None:
        self._share = share
        self._began = self._rested = time.monotonic()
        self._seconds = seconds

    @property
    def over(self) -> bool:
        return time.monotonic() - self._began >= self._seconds

    async def rest(self) -> None:
        """Pause in proportion to what was worked since the last pause."""
        worked = time.monotonic() - self._rested
        await asyncio.sleep(worked * (1 - self._share) / self._share)
        self._rested = time.monotonic()
