"""Passwords: bcrypt in a bounded pool of threads, never on the event loop."""

import asyncio
import base64
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

import bcrypt

from tenon_auth.errors import TooManyLogIns
from tenon_auth.passwords.normal_form import normal_form

T = TypeVar("T")

WAITING_PER_THREAD = 8
RETRY_SECONDS = 2.0
NICENESS = 5
"""Of the threads: whatever else wants a core has it first, for it is done so much sooner."""


class Match(Enum):
    """Whether a password is the one that was hashed.

    OUTDATED: it is, but it was hashed at a lower cost than today's, or not in its normal form.
    """

    NO = "no"
    YES = "yes"
    OUTDATED = "outdated"


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

    async def matches(self, password: str, password_hash: str | None) -> Match:
        """Check a password; without a hash it takes the same time and does not match.

        A password that is typed in another form than the normal one is checked in both: hashes
        of before are of what was typed.
        """
        against = (password_hash or self._dummy_hash).encode()
        digests = list(dict.fromkeys((_digest(normal_form(password)), _digest(password))))
        found = await self._run(lambda: self._check(digests, against))
        return Match.NO if password_hash is None else found

    def _check(self, digests: Sequence[bytes], against: bytes) -> Match:
        for digest in digests:
            if bcrypt.checkpw(digest, against):
                is_outdated = digest != digests[0] or _cost_of(against.decode()) < self._cost
                return Match.OUTDATED if is_outdated else Match.YES
            self._make_up_for(against, digest)
        return Match.NO

    def _make_up_for(self, password_hash: bytes, digest: bytes) -> None:
        """Spend what checking an older hash has saved: 2^old + 2^old + … + 2^(new-1) = 2^new."""
        for cost in range(_cost_of(password_hash.decode()), self._cost):
            bcrypt.hashpw(digest, bcrypt.gensalt(cost))

    def _hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(normal_form(password)), bcrypt.gensalt(self._cost)).decode()

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
