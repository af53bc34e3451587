"""How the connections of a pool are divided between organizations and accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from tenon_core.accounts import current_account
from tenon_core.slots import Holder, Slots, define_slots

CONNECTIONS = define_slots(
    "database_connections",
    "the database connections of a service that are in use at once",
    "TENON_<SERVICE>_DATABASE_POOL_SIZE",
)


@dataclass(slots=True)
class _Share:
    """An account's share that is in use; tasks that outlive it must not rely on it."""

    account_id: UUID
    is_held: bool = True


_share: ContextVar[_Share | None] = ContextVar("tenon_connection_share", default=None)


class ConnectionShares:
    """Slots for the transactions of tenants and people; system transactions need none."""

    def __init__(self, pool_size: int) -> None:
        self._slots = Slots(CONNECTIONS, pool_size)

    @asynccontextmanager
    async def held(self, org_id: UUID | None, user_id: UUID | None) -> AsyncIterator[None]:
        """Use a connection's share in the body; LimitExceeded.

        A transaction within another one of the same account uses the other's: if each held one
        and waited for a second, all would wait for ever.
        """
        account_id, outer = current_account() or org_id or user_id, _share.get()
        if account_id is None or (outer and outer.is_held and outer.account_id == account_id):
            yield
            return
        async with self._slots.held(Holder(account_id, org_id)):
            share = _Share(account_id)
            _share.set(share)
            try:
                yield
            finally:
                share.is_held = False
                _share.set(outer)
