"""Which account an organization belongs to, as a process remembers it."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from tenon_core.errors import Unavailable
from tenon_policy import accounts
from tenon_policy.accounts import AccountBook
from tenon_testing.waiting import eventually


class Owner:
    """Stands for tenancy, which a library cannot start; services' tests ask the real one."""

    def __init__(self) -> None:
        self.accounts_of: dict[UUID, UUID] = {}
        self.asked: list[UUID] = []
        self.is_away = False

    async def accounts(self, org_ids: Sequence[UUID]) -> Sequence[UUID | None]:
        self.asked += org_ids
        if self.is_away:
            raise Unavailable
        return [self.accounts_of.get(org_id) for org_id in org_ids]


async def test_tenancy_is_asked_once_for_many_requests() -> None:
    owner, org_id, account_id = Owner(), uuid4(), uuid4()
    owner.accounts_of[org_id] = account_id
    book = AccountBook(owner)
    assert await asyncio.gather(*(book.find(org_id) for _ in range(5))) == [account_id] * 5
    assert await book.find(org_id) == account_id
    assert owner.asked == [org_id]


async def test_an_organization_is_its_own_account_while_tenancy_is_unavailable() -> None:
    owner, org_id = Owner(), uuid4()
    owner.is_away = True
    assert await AccountBook(owner).find(org_id) == org_id


async def test_an_organization_without_an_owner_is_its_own_account() -> None:
    org_id = uuid4()
    assert await AccountBook(Owner()).find(org_id) == org_id


async def test_an_old_answer_is_used_while_a_new_one_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts, "KNOWN_SECONDS", 0.0)
    owner, org_id, before, after = Owner(), uuid4(), uuid4(), uuid4()
    owner.accounts_of[org_id] = before
    book = AccountBook(owner)
    assert await book.find(org_id) == before
    owner.accounts_of[org_id] = after
    assert await book.find(org_id) == before

    async def is_new() -> bool:
        return await book.find(org_id) == after

    await eventually(is_new)
