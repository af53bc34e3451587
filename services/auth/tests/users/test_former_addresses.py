"""Accounts whose addresses were hashed case folded as a whole, as `canonical_version` 1 was."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from email_validator import validate_email

from services.auth.tests.users.test_addresses import sign_up
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_auth.app import APP, worker
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.keyring import Mac
from tenon_crypto.opening import open_keyring
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Admin = psycopg.Connection[tuple[Any, ...]]

KEEP = "UPDATE auth.logins SET release_time = now() + interval '1 hour' WHERE user_id = %s"


async def former_terms(system: System, email: str) -> Sequence[Mac]:
    """Hash an address as version 1 did."""
    folded = validate_email(email, check_deliverability=False).normalized.casefold()
    keyring = open_keyring(system.settings(APP).keyring_url)
    return await BlindIndex(keyring, "auth", "logins", "email_index").terms(folded.encode())


async def join(system: System, auth: grpc.aio.Channel, admin: Admin, email: str) -> str:
    """Make a verified account as version 1 stored it; return its id."""
    user_id: str = (await sign_up(auth, email)).user.id
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [user_id])
    admin.execute("DELETE FROM auth.logins WHERE user_id = %s", [user_id])
    for term in await former_terms(system, email):
        admin.execute(
            "INSERT INTO auth.logins (email_index, index_key, user_id) VALUES (%s, %s, %s)",
            [term.digest, term.key, user_id],
        )
    return user_id


def versions(admin: Admin, user_id: str) -> set[int]:
    query = "SELECT canonical_version FROM auth.logins WHERE user_id = %s"
    return {row[0] for row in admin.execute(query, [user_id]).fetchall()}


@pytest.fixture
def sharp() -> str:
    return f"{uuid4().hex}@straße.example"


@pytest.fixture
def double(sharp: str) -> str:
    """An address that version 1 took for the same."""
    return sharp.replace("ß", "ss")


async def log_in(auth: grpc.aio.Channel, email: str) -> str:
    """Return the user's id, or the reason of the refusal."""
    request = LogInRequest(email=email, password=PASSWORD)
    try:
        return str((await SessionServiceStub(auth).LogIn(request)).user.id)
    except PeerError as refused:
        return refused.reason


@pytest.mark.parametrize("domain", ["example.com", "straße.example", "νικος.example"])
async def test_a_former_account_is_logged_in_to(
    system: System, auth: grpc.aio.Channel, admin: Admin, domain: str
) -> None:
    name = f"ada.{uuid4().hex}"
    email = f"{name}@{domain}"
    user_id = await join(system, auth, admin, email)
    assert versions(admin, user_id) == {1}
    assert await log_in(auth, f"{name.upper()}@{domain}") == user_id
    assert versions(admin, user_id) == {2}
    assert await log_in(auth, email) == user_id


async def test_a_former_account_is_not_logged_in_to_by_an_address_that_was_the_same(
    system: System, auth: grpc.aio.Channel, admin: Admin, sharp: str, double: str
) -> None:
    user_id = await join(system, auth, admin, sharp)
    assert await log_in(auth, double) == "invalid_credentials"
    assert await log_in(auth, sharp) == user_id


async def test_two_addresses_that_were_the_same_have_an_account_each(
    system: System, auth: grpc.aio.Channel, admin: Admin, sharp: str, double: str
) -> None:
    user_id = await join(system, auth, admin, sharp)
    other = (await sign_up(auth, double)).user.id
    assert await log_in(auth, sharp) == user_id
    assert await log_in(auth, double) == other


async def test_the_address_of_a_former_account_is_taken(
    system: System, auth: grpc.aio.Channel, admin: Admin, sharp: str
) -> None:
    user_id = await join(system, auth, admin, sharp)
    with pytest.raises(PeerError) as refused:
        await sign_up(auth, sharp)
    assert refused.value.reason == "email_taken"
    assert await log_in(auth, sharp) == user_id


async def test_an_address_that_a_former_account_left_is_kept_from_others(
    system: System, auth: grpc.aio.Channel, admin: Admin, sharp: str
) -> None:
    user_id = await join(system, auth, admin, sharp)
    admin.execute(KEEP, [user_id])
    with pytest.raises(PeerError) as refused:
        await sign_up(auth, sharp)
    assert refused.value.reason == "email_taken"
    admin.execute("UPDATE auth.logins SET release_time = now() WHERE user_id = %s", [user_id])
    assert (await sign_up(auth, sharp)).user.id != user_id


async def test_the_rotation_of_index_keys_hashes_all_former_accounts_again(
    system: System, auth: grpc.aio.Channel, admin: Admin, sharp: str
) -> None:
    plain = f"{uuid4().hex}@example.com"
    former = [await join(system, auth, admin, email) for email in (sharp, plain)]
    admin.execute(
        "INSERT INTO auth.jobs (id, type, payload, lane, run_at, priority)"
        " VALUES (gen_random_uuid(), 'keys.check', '{}', 0, now(), 0)"
    )

    async def hashed_again() -> bool:
        return all(versions(admin, user_id) == {2} for user_id in former)

    async with worker(system.settings(APP, process="auth-worker")) as work, work.running():
        await eventually(hashed_again, within=30)
    assert [await log_in(auth, email) for email in (sharp, plain)] == former
