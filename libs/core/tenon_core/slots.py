"""Slots of one process, divided by organization and by account.

An account that holds n slots gets another only while more than n are free: a dynamic threshold
(Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
So one account holds at most half of the slots, and the more accounts are busy, the less each gets.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from uuid import UUID

from tenon_core.limits import IN_USE, Limit, Per, define

WAIT_SECONDS = 5.0
"""How long a request waits in a line that does not move before it is refused."""
MAX_WAITING = 500
"""How many requests of one account wait in line."""


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """The three limits of one kind of slot."""

    process: Limit
    account: Limit
    organization: Limit
    account_share: Fraction
    organization_share: Fraction


def define_slots(
    name: str,
    what: str,
    setting: str,
    *,
    default: str = "",
    account_share: Fraction = Fraction(1, 2),
) -> SlotLimits:
    """Define the limits of slots whose number in a process is in `setting`.

    An organization gets four fifths of its account's share, so that one integration does not
    block the account's other organizations.
    """
    organization_share = account_share * Fraction(4, 5)
    shares = {Per.ACCOUNT: account_share, Per.ORGANIZATION: organization_share}
    account, organization = (
        define(Limit(f"{name}_per_{per}", what, per, setting, f"{share} of the process's"))
        for per, share in shares.items()
    )
    process = define(Limit(f"{name}_per_process", what, Per.PROCESS, setting, default))
    return SlotLimits(process, account, organization, account_share, organization_share)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose slot it is; `org_id` is None for what a person does outside any organization."""

    account_id: UUID
    org_id: UUID | None = None


@dataclass(slots=True)
class _Line:
    """The requests of one holder that wait, and when one of them was last given a slot."""

    turns: deque[asyncio.Future[None]] = field(default_factory=deque)
    moved_at: float = 0.0


class Slots:
    """Hands out slots to those that hold fewest, in the order in which they came."""

    def __init__(self, limits: SlotLimits, total: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._limits = limits
        self._total = total
        self._account_total = max(1, int(total * limits.account_share))
        self._organization_total = max(1, int(total * limits.organization_share))
        self._wait_seconds = wait_seconds
        self._free = total
        self._held: Counter[UUID] = Counter()
        self._waiting: dict[Holder, _Line] = {}
        self._in_use = IN_USE.labels(limits.process.name)

    @asynccontextmanager
    async def held(self, holder: Holder) -> AsyncIterator[None]:
        """Hold a slot in the body; LimitExceeded if the line did not move for too long.

        While it moves, only the caller's own deadline ends the wait.
        """
        if holder in self._waiting or self._reached(holder):
            await self._wait(holder)
        else:
            self._count(holder, 1)
        try:
            yield
        finally:
            self._give_back(holder)

    async def _wait(self, holder: Holder) -> None:
        """Wait until a slot has been taken for the holder."""
        if self._count_waiting(holder) >= MAX_WAITING:
            raise self._limits.account.exceeded(self._wait_seconds)
        turn = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(holder, _Line())
        line.turns.append(turn)
        came = False
        try:
            came = await self._came(turn, line)
        finally:
            if not came:
                self._leave(holder, turn)
        if not came:
            limit = self._reached(holder) or self._limits.process
            raise limit.exceeded(self._wait_seconds)

    async def _came(self, turn: asyncio.Future[None], line: _Line) -> bool:
        """Wait for the turn; False once its line has not moved for too long."""
        loop = asyncio.get_running_loop()
        joined_at = loop.time()
        while not turn.done():
            left = max(joined_at, line.moved_at) + self._wait_seconds - loop.time()
            if left <= 0:
                return False
            await asyncio.wait([turn], timeout=left)
        return True

    def _count_waiting(self, holder: Holder) -> int:
        return sum(
            len(line.turns)
            for other, line in self._waiting.items()
            if other.account_id == holder.account_id
        )

    def _leave(self, holder: Holder, turn: asyncio.Future[None]) -> None:
        """Leave the line; a slot that came at the same moment goes to the next."""
        if turn.done():
            self._give_back(holder)
            return
        turns = self._waiting[holder].turns
        turns.remove(turn)
        if not turns:
            del self._waiting[holder]

    def _reached(self, holder: Holder) -> Limit | None:
        """Return the limit that keeps the holder from another slot now."""
        if not self._free:
            return self._limits.process
        if self._held[holder.account_id] >= min(self._free, self._account_total):
            return self._limits.account
        if holder.org_id and self._held[holder.org_id] >= self._organization_total:
            return self._limits.organization
        return None

    def _give_back(self, holder: Holder) -> None:
        self._count(holder, -1)
        while waiting := [each for each in self._waiting if not self._reached(each)]:
            self._serve(min(waiting, key=self._holdings))

    def _serve(self, holder: Holder) -> None:
        """Give a slot to the first in a holder's line; the line goes behind those of its equals."""
        line = self._waiting.pop(holder)
        turn = line.turns.popleft()
        if line.turns:
            self._waiting[holder] = line
        line.moved_at = turn.get_loop().time()
        self._count(holder, 1)
        turn.set_result(None)

    def _holdings(self, holder: Holder) -> tuple[int, int]:
        return self._held[holder.account_id], self._held[holder.org_id or holder.account_id]

    def _count(self, holder: Holder, change: int) -> None:
        self._free -= change
        for key in {holder.account_id, holder.org_id} - {None}:
            assert key is not None
            self._held[key] += change
            if not self._held[key]:
                del self._held[key]
        self._in_use.set(self._total - self._free)
