"""B3: each recovery code is good once, and nothing stored makes one."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.second_factors.enrolled import (
    Enrolled,
    enrol,
    factors_of,
    log_in,
    refusal,
)
from services.auth.tests.users.test_encryption import sign_up
from tenon.auth.v1.second_factor_service_pb2 import ReplaceRecoveryCodesRequest
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.recovery_codes.codes import comparable
from tenon_rpc.status import PeerError


async def replace(auth: grpc.aio.Channel, metadata: Metadata) -> list[str]:
    reply = await SecondFactorServiceStub(auth).ReplaceRecoveryCodes(
        ReplaceRecoveryCodesRequest(), metadata=metadata
    )
    return list(reply.recovery_codes)


async def test_each_is_good_once(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    first, second, *_ = enrolled.recovery_codes
    for code, reason in ((first, ""), (first, "invalid_code"), (second, "")):
        step = await log_in(auth, enrolled.email)
        assert await refusal(auth, step, recovery_code=code) == reason
    assert (await factors_of(auth, enrolled.metadata)).recovery_codes_left == 8


async def test_fifty_uses_of_one_at_once_have_one_effect(
    patient: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    person = await enrol(patient, signed_up)
    steps = [await log_in(patient, person.email) for _ in range(50)]
    code = person.recovery_codes[0]
    told = Counter(
        await asyncio.gather(*(refusal(patient, step, recovery_code=code) for step in steps))
    )
    assert told == {"": 1, "invalid_code": 49}


async def test_new_ones_replace_the_old(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    new = await replace(auth, enrolled.metadata)
    assert not set(new) & set(enrolled.recovery_codes)
    step = await log_in(auth, enrolled.email)
    old = enrolled.recovery_codes[0]
    assert await refusal(auth, step, recovery_code=old) == "invalid_code"
    assert await refusal(auth, step, recovery_code=new[0]) == ""


async def test_two_sets_made_at_once_are_one(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    await asyncio.gather(*(replace(auth, enrolled.metadata) for _ in range(5)))
    assert (await factors_of(auth, enrolled.metadata)).recovery_codes_left == 10


async def test_who_has_no_second_factor_gets_none(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    with pytest.raises(PeerError) as refused:
        await replace(auth, metadata)
    assert refused.value.reason == "no_second_factor"


async def test_anothers_code_is_no_code(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    """Not even where somebody has written its hash beside one's own: it is of its owner, too."""
    eve = await enrol(auth, await sign_up(auth, "Eve"))
    admin.execute(
        "INSERT INTO auth.recovery_codes SELECT %s, code_hash, index_key FROM auth.recovery_codes"
        " WHERE user_id = %s",
        [eve.user_id, enrolled.user_id],
    )
    step = await log_in(auth, eve.email)
    code = enrolled.recovery_codes[0]
    assert await refusal(auth, step, recovery_code=code) == "invalid_code"
    assert await refusal(auth, step, recovery_code=eve.recovery_codes[0]) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "7K2P9-X0HFM",
        "7k2p9x0hfm",
        " 7k2p9 xohfm ",
        "7k2p9-xOhfm",
        "7k2p9\u2013x0hfm",
        "7k2p9\u2011x0hfm\n",
        "7k2p9\u00a0x0hfm",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "7k2p9-x0hfm"),
    ],
)
def test_a_code_may_be_typed_in_many_ways(typed: str) -> None:
    assert comparable(typed) == comparable("7k2p9-x0hfm")


async def test_the_database_has_hashes_alone(
    enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    rows = admin.execute(
        "SELECT c::text FROM auth.recovery_codes AS c WHERE user_id = %s", [enrolled.user_id]
    ).fetchall()
    stored = "".join(row[0] for row in rows)
    assert len(rows) == 10
    for code in enrolled.recovery_codes:
        assert code not in stored
        assert code.encode().hex() not in stored
        assert comparable(code).hex() not in stored
