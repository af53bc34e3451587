"""Passwords: bcrypt in a bounded pool of threads, never on the event loop."""

import asyncio
import base64
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from tenon_auth.errors import TooManyLogIns

T = TypeVar("T")

WAITING_PER_THREAD = 8
RETRY_SECONDS = 2.0
NICENESS = 5
"""Of the threads: whatever else wants a core has it first, for it is done so much sooner."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class PasswordHasher:
    """Hashes and checks passwords with bcrypt at a cost (12 is 0.2 s of one core).

    bcrypt releases the interpreter's lock, so there is a thread for each core, which gives way to
    everything else; beyond a short queue TooManyLogIns is raised at once. So a flood of log-ins
    slows nothing else.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        threads = cores()
        self._room = threads * (1 + WAITING_PER_THREAD)
        self._pool = ThreadPoolExecutor(threads, "bcrypt", initializer=_give_way)
        self._waiting = 0
        self._dummy_hash = self._hash("nobody has this password")

    def require_room(self) -> None:
        """TooManyLogIns if so many passwords wait already that no other is taken."""
        if self._waiting >= self._room:
            raise TooManyLogIns(retry_after=RETRY_SECONDS)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hash(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Check a password; without a hash it takes the same time and says no."""
        against = (password_hash or self._dummy_hash).encode()
        digest = _digest(password)

        def check() -> bool:
            same = bcrypt.checkpw(digest, against)
            if not same:
                self._make_up_for(against, digest)
            return same

        return await self._run(check) and password_hash is not None

    def _make_up_for(self, password_hash: bytes, digest: bytes) -> None:
        """Spend what checking an older hash has saved: 2^old + 2^old + … + 2^(new-1) = 2^new."""
        for cost in range(_cost_of(password_hash.decode()), self._cost):
            bcrypt.hashpw(digest, bcrypt.gensalt(cost))

    def is_outdated(self, password_hash: str) -> bool:
        """Say whether it was made at a lower cost than hashes are made now."""
        return _cost_of(password_hash) < self._cost

    def _hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._cost)).decode()

    async def _run(self, work: Callable[[], T]) -> T:
        self.require_room()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _give_way() -> None:
    """Lower the priority of this thread, where threads have one of their own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, niceness + NICENESS)


def _cost_of(password_hash: str) -> int:
    return int(password_hash.split("$")[2])


def _digest(password: str) -> bytes:
    """Shorten a password to what bcrypt takes: 44 bytes of text, below its 72, without NUL."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())
