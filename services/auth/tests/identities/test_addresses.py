"""Whose account a provider's address belongs to."""

from uuid import uuid4

import grpc
import pytest

from services.auth.tests.identities.visitor import Visitor
from services.auth.tests.users.test_addresses import sign_up
from services.auth.tests.users.test_former_addresses import Admin, join
from tenon_testing.addresses import PAIRS, Pair
from tenon_testing.system import System


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_a_provider_logs_in_to_the_account_of_its_address_only(
    visitor: Visitor,
    auth: grpc.aio.Channel,
    admin: Admin,
    pair: Pair,
) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [account.user.id])
    entered = await visitor.log_in(email=second.strip())
    assert (entered.user.id == account.user.id) is pair.same


async def test_a_provider_enters_no_account_whose_former_hash_is_the_same(
    system: System, visitor: Visitor, auth: grpc.aio.Channel, admin: Admin
) -> None:
    name = uuid4().hex
    user_id = await join(system, auth, admin, f"{name}@strasse.example")
    assert (await visitor.log_in(email=f"{name}@straße.example")).user.id != user_id
    assert (await visitor.log_in(email=f"{name}@strasse.example")).user.id == user_id
