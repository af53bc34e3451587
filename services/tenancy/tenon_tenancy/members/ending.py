"""What is done to all members of an organization at once, in its own transaction."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from tenon_db.transaction import Transaction
from tenon_policy.authorization import require_role
from tenon_policy.call import Call
from tenon_policy.grants import GrantChanges, GrantKey, MemberKey
from tenon_policy.policies import Role
from tenon_policy.tags import MARK, Tags, new_version
from tenon_tenancy.members.repository import MemberRepository

T = TypeVar("T")

CHUNK = 1_000
"""As many hot copies as Redis is given at once."""


class MembershipEnding:
    """How an organization comes to an end for its members."""

    def __init__(self, grants: GrantChanges, tags: Tags) -> None:
        self._grants = grants
        self._tags = tags

    async def lock(self, tx: Transaction, call: Call) -> None:
        """Lock the organization's row; refuse a caller who may not any more, now that it is."""
        await self.lock_row(tx)
        caller = await MemberRepository(tx, call.org).find(call.user)
        require_role(call.policy, caller.role if caller else Role.NONE)

    async def lock_row(self, tx: Transaction) -> None:
        await MemberRepository(tx, _org(tx)).lock()

    async def owners(self, tx: Transaction) -> Sequence[UUID]:
        return await MemberRepository(tx, _org(tx)).owners()

    async def renew_lists(self, tx: Transaction) -> None:
        """Have all members' lists of organizations read anew; called before the commit.

        Of a transaction that is rolled back the marks stay for their time, which costs the cache.
        """
        tags = [f"users/{one}" for one in await MemberRepository(tx, _org(tx)).user_ids()]
        for some in _chunks(tags):
            mark = MARK + new_version()
            await self._tags.mark(some, mark)
            tx.after_commit(partial(self._tags.renew, some, mark))

    async def end_all(self, tx: Transaction) -> int:
        """End all memberships, and let the hot copies follow; called just before the commit.

        Return how many there were.
        """
        org_id = _org(tx)
        gone = await MemberRepository(tx, org_id).remove_all()
        for some in _chunks([MemberKey(org_id, user_id) for user_id in gone]):
            levels: dict[GrantKey, int] = dict.fromkeys(some, 0)
            mark = await self._grants.mark(*levels)
            tx.after_commit(partial(self._grants.settle, levels, mark))
        return len(gone)


def _org(tx: Transaction) -> UUID:
    assert tx.org_id is not None, "members are an organization's"
    return tx.org_id


def _chunks(every: Sequence[T]) -> Iterator[Sequence[T]]:
    return (every[start : start + CHUNK] for start in range(0, len(every), CHUNK))
