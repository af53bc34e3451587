"""Which account each organization belongs to: its longest-standing owner.

Tenancy knows. A process remembers the answer, which rarely changes and only decides whose share
of a resource is used: an old answer is used while a new one is fetched, and an organization counts
as its own account while tenancy does not answer.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from tenon_core.coalescing import Coalescer
from tenon_core.errors import TenonError

KNOWN_SECONDS = 60.0
"""How old an answer gets before another is fetched."""
UNKNOWN_SECONDS = 5.0
"""When tenancy is asked again after it did not answer."""
ANSWER_SECONDS = 0.5
"""How long a request waits for the answer."""
MAX_KEPT = 100_000


class AccountOwner(Protocol):
    """Tenancy, the service of record."""

    async def accounts(self, org_ids: Sequence[UUID]) -> Sequence[UUID | None]: ...


class AccountBook:
    """The accounts of organizations, as this process last heard of them."""

    def __init__(self, owner: AccountOwner) -> None:
        self._owner = owner
        self._known: OrderedDict[UUID, tuple[float, UUID]] = OrderedDict()
        self._asked = Coalescer[UUID, UUID](self._load)
        self._refreshing: dict[UUID, asyncio.Task[None]] = {}

    async def find(self, org_id: UUID) -> UUID:
        """Return the account of an organization, or the organization's own id."""
        until, account_id = self._known.get(org_id, (0.0, org_id))
        if until > time.monotonic():
            return account_id
        refreshing = self._refresh(org_id)
        if org_id not in self._known:
            await asyncio.wait([refreshing], timeout=ANSWER_SECONDS)
            if org_id not in self._known:
                self._remember({org_id: org_id}, UNKNOWN_SECONDS)
        return self._known[org_id][1]

    def _refresh(self, org_id: UUID) -> asyncio.Task[None]:
        """Ask tenancy, once at a time."""
        task = self._refreshing.get(org_id)
        if task is None:
            task = self._refreshing[org_id] = asyncio.create_task(self._ask(org_id))
            task.add_done_callback(lambda _: self._refreshing.pop(org_id))
        return task

    async def _ask(self, org_id: UUID) -> None:
        with suppress(TenonError):
            await self._asked.get(org_id)

    async def _load(self, org_ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
        found = await self._owner.accounts(org_ids)
        accounts = {
            org_id: account_id or org_id for org_id, account_id in zip(org_ids, found, strict=True)
        }
        self._remember(accounts, KNOWN_SECONDS)
        return accounts

    def _remember(self, accounts: Mapping[UUID, UUID], seconds: float) -> None:
        until = time.monotonic() + seconds
        for org_id, account_id in accounts.items():
            self._known[org_id] = until, account_id
            self._known.move_to_end(org_id)
        while len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)
