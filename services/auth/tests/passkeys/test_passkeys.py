"""Passkeys come and go."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator, Json, changed, decoded
from services.auth.tests.second_factors.enrolled import (
    enrol,
    factors_of,
    log_in,
    metadata_of,
    register,
    struct,
)
from services.auth.tests.users.test_encryption import sign_up
from tenon.auth.v1.log_in_service_pb2 import LogInWithPasskeyRequest, StartPasskeyLogInRequest
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceStub
from tenon.auth.v1.passkey_service_pb2 import (
    AddPasskeyRequest,
    ListPasskeysRequest,
    RemovePasskeyRequest,
    RenamePasskeyRequest,
    StartPasskeyRequest,
)
from tenon.auth.v1.passkey_service_pb2_grpc import PasskeyServiceStub
from tenon.auth.v1.second_factor_pb2 import (
    SECOND_FACTOR_KIND_PASSKEY,
)
from tenon.auth.v1.second_factor_service_pb2 import RemoveTotpRequest
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.passkeys.ceremonies import Ceremonies
from tenon_auth.passkeys.keys import MAX
from tenon_core.ids import uuid7
from tenon_rpc.status import PeerError
from tenon_testing.system import System

LIFE_SPENT = timedelta(seconds=1)


async def creation_options(auth: grpc.aio.Channel, metadata: Metadata) -> Json:
    started = await PasskeyServiceStub(auth).StartPasskey(StartPasskeyRequest(), metadata=metadata)
    options: Json = MessageToDict(started.options)
    return options


async def add(auth: grpc.aio.Channel, metadata: Metadata, made: Json, name: str = "Laptop") -> str:
    """Return the reason of a refusal; empty if it was added."""
    request = AddPasskeyRequest(passkey=struct(made), name=name)
    try:
        await PasskeyServiceStub(auth).AddPasskey(request, metadata=metadata)
    except PeerError as error:
        return error.reason
    return ""


async def test_a_credential_is_registered_for_one_user_only(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    """Web Authentication, 7.1, step 26; removing the passkey frees it."""
    first = await register(auth, metadata, passkey, "Laptop")
    other = metadata_of((await sign_up(auth, "Grace")).tokens.access_token)
    copy = Authenticator(passkey.origin, credential_id=passkey.credential_id)
    made = copy.make(await creation_options(auth, other))
    assert await add(auth, other, made) == "passkey_exists"
    request = RemovePasskeyRequest(passkey_id=first.passkey.id)
    await PasskeyServiceStub(auth).RemovePasskey(request, metadata=metadata)
    made = copy.make(await creation_options(auth, other))
    assert await add(auth, other, made) == ""


async def test_the_first_second_factor_brings_recovery_codes(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, system: System
) -> None:
    reply = await register(auth, metadata, passkey, "My laptop")
    assert (reply.passkey.name, list(reply.passkey.transports)) == (
        "My laptop",
        ["hybrid", "internal"],
    )
    assert len(reply.recovery_codes) == 10
    second = await register(auth, metadata, Authenticator(system.url), "Key")
    assert not second.recovery_codes
    listed = await factors_of(auth, metadata)
    assert [item.name for item in listed.items] == ["Key", "My laptop"]
    assert {item.kind for item in listed.items} == {SECOND_FACTOR_KIND_PASSKEY}


async def test_the_options_say_nothing_personal_but_to_their_owner(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    """What a passkey keeps and sends is its owner's id; names are for its own list."""
    options = await creation_options(auth, metadata)
    assert decoded(options["user"]["id"]).hex() == signed_up.user.id.replace("-", "")
    assert options["attestation"] == "none"
    assert options["excludeCredentials"] == []
    await register(auth, metadata, passkey)
    (known,) = (await creation_options(auth, metadata))["excludeCredentials"]
    assert decoded(known["id"]) == passkey.credential_id


async def test_a_challenge_registers_once(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, system: System
) -> None:
    options = await creation_options(auth, metadata)
    keys = [passkey, *(Authenticator(system.url) for _ in range(19))]
    told = Counter(await asyncio.gather(*(add(auth, metadata, key.make(options)) for key in keys)))
    assert told == {"": 1, "challenge_spent": 19}


def moved(answer: Json) -> Json:
    return changed(answer, "origin", "https://tenon.example")


def empty(_: Json) -> Json:
    return {}


@pytest.mark.parametrize("transports", [5, True, "usb", {"usb": 1}, [5, None, ["usb"]], [[]]])
async def test_strange_transports_are_refused_or_passed_over(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, transports: object
) -> None:
    made = passkey.make(await creation_options(auth, metadata))
    strange = {**made, "response": {**made["response"], "transports": transports}}
    expected = "invalid_passkey" if isinstance(transports, int) else ""
    assert await add(auth, metadata, strange) == expected


def noting(threads: list[threading.Thread], method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that notes in which thread it runs."""

    def noted(*arguments: Any, **options: Any) -> Any:
        threads.append(threading.current_thread())
        return method(*arguments, **options)

    return noted


async def test_the_library_is_not_loaded_where_others_wait(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    passkey: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes 150 ms at first: in a thread, so that calls go on meanwhile."""
    threads: list[threading.Thread] = []
    for name in ("creation_options", "registered", "request_options", "signed"):
        monkeypatch.setattr(Ceremonies, name, noting(threads, getattr(Ceremonies, name)))
    await register(auth, metadata, passkey)
    asked = await LogInServiceStub(auth).StartPasskeyLogIn(StartPasskeyLogInRequest())
    answer = passkey.sign(MessageToDict(asked.options))
    await LogInServiceStub(auth).LogInWithPasskey(LogInWithPasskeyRequest(passkey=struct(answer)))
    assert len(threads) == 4
    assert threading.current_thread() not in threads


def absurd(answer: Json) -> Json:
    return {**answer, "response": {"clientDataJSON": 7}}


@pytest.mark.parametrize("spoilt", [moved, empty, absurd])
async def test_a_registration_that_does_not_hold_is_refused(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    passkey: Authenticator,
    spoilt: Callable[[Json], Json],
) -> None:
    made = passkey.make(await creation_options(auth, metadata))
    assert await add(auth, metadata, spoilt(made)) == "invalid_passkey"
    assert await add(auth, metadata, made) == ""


async def test_a_challenge_of_another_user_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    eve = metadata_of((await sign_up(auth, "Eve")).tokens.access_token)
    made = passkey.make(await creation_options(auth, eve))
    assert await add(auth, metadata, made) == "challenge_spent"


async def test_a_challenge_lives_five_minutes(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    passkey: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenon_auth.passkeys.challenges.LIFE", -LIFE_SPENT)
    made = passkey.make(await creation_options(auth, metadata))
    assert await add(auth, metadata, made) == "challenge_spent"


async def test_a_passkey_is_registered_once(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    await register(auth, metadata, passkey)
    made = passkey.make(await creation_options(auth, metadata))
    assert await add(auth, metadata, made) == "passkey_exists"


async def test_nobody_has_more_than_a_few(
    auth: grpc.aio.Channel, metadata: Metadata, system: System
) -> None:
    for _ in range(MAX):
        await register(auth, metadata, Authenticator(system.url))
    made = Authenticator(system.url).make(await creation_options(auth, metadata))
    assert await add(auth, metadata, made) == "too_many_passkeys"


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb"])
async def test_a_name_is_printable(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, name: str
) -> None:
    made = passkey.make(await creation_options(auth, metadata))
    assert await add(auth, metadata, made, name) == "invalid_argument"


async def test_they_are_listed_in_pages_renamed_and_removed(
    auth: grpc.aio.Channel, metadata: Metadata, system: System
) -> None:
    passkeys = PasskeyServiceStub(auth)
    ids = [
        (await register(auth, metadata, Authenticator(system.url), name)).passkey.id
        for name in ("One", "Two")
    ]
    page = await passkeys.ListPasskeys(ListPasskeysRequest(page_size=1), metadata=metadata)
    assert [one.id for one in page.items] == [ids[1]]
    request = ListPasskeysRequest(page_size=1, page_token=page.next_page_token)
    page = await passkeys.ListPasskeys(request, metadata=metadata)
    assert [one.id for one in page.items] == [ids[0]]
    renamed = await passkeys.RenamePasskey(
        RenamePasskeyRequest(passkey_id=ids[0], name="Old one"), metadata=metadata
    )
    assert renamed.passkey.name == "Old one"
    await passkeys.RemovePasskey(RemovePasskeyRequest(passkey_id=ids[1]), metadata=metadata)
    assert [item.name for item in (await factors_of(auth, metadata)).items] == ["Old one"]


async def test_with_the_last_second_factor_go_the_recovery_codes(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata, passkey: Authenticator
) -> None:
    """Not with the last but one; also when both are removed at once."""
    key = (await register(auth, metadata, passkey)).passkey.id
    assert not (await enrol(auth, signed_up)).recovery_codes
    assert (await factors_of(auth, metadata)).recovery_codes_left == 10
    passkeys, factors = PasskeyServiceStub(auth), SecondFactorServiceStub(auth)
    await asyncio.gather(
        passkeys.RemovePasskey(RemovePasskeyRequest(passkey_id=key), metadata=metadata),
        factors.RemoveTotp(RemoveTotpRequest(), metadata=metadata),
    )
    assert (await factors_of(auth, metadata)).recovery_codes_left == 0
    assert not (await log_in(auth, signed_up.user.email)).mfa_required


async def test_anothers_passkey_does_not_exist(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    theirs = (await register(auth, metadata, passkey)).passkey.id
    eve = metadata_of((await sign_up(auth, "Eve")).tokens.access_token)
    for passkey_id in (theirs, str(uuid7()), "", "x"):
        with pytest.raises(PeerError) as refused:
            await PasskeyServiceStub(auth).RemovePasskey(
                RemovePasskeyRequest(passkey_id=passkey_id), metadata=eve
            )
        assert refused.value.reason == "passkey_not_found"
    assert len((await factors_of(auth, metadata)).items) == 1


async def test_the_database_does_not_have_the_name(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    passkey: Authenticator,
    admin: "psycopg.Connection[Any]",
) -> None:
    added = await register(auth, metadata, passkey, "Ada's telephone")
    row = admin.execute(
        "SELECT name FROM auth.passkeys WHERE id = %s", [added.passkey.id]
    ).fetchone()
    assert row is not None
    assert b"telephone" not in row[0]


async def test_spent_challenges_are_forgotten(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    system: System,
    admin: "psycopg.Connection[Any]",
) -> None:
    await register(auth, metadata, Authenticator(system.url))
    admin.execute("UPDATE auth.spent_challenges SET expire_time = now() - interval '1 second'")
    await register(auth, metadata, Authenticator(system.url))
    assert admin.execute("SELECT count(*) FROM auth.spent_challenges").fetchone() == (1,)
