"""Passwords are the same however a keyboard writes their letters."""

import base64
import hashlib
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import bcrypt
import grpc
import psycopg
import pytest

from services.auth.tests.passwords.test_guesses import guess
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.errors import WeakPassword
from tenon_auth.passwords.rules import require_strong
from tenon_rpc.status import PeerError

Admin = psycopg.Connection[tuple[Any, ...]]
Join = Callable[[str], Awaitable[tuple[str, str]]]

COMPOSED = "ma\u00f1ana kettle pelican"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def join(auth: grpc.aio.Channel) -> Join:
    async def join(password: str) -> tuple[str, str]:
        """Sign a person up; return their id and address."""
        email = f"{uuid4()}@example.com"
        request = SignUpRequest(email=email, password=password, name="Ada")
        reply = await UserServiceStub(auth).SignUp(request)
        return reply.user.id, email

    return join


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("\uff54sunami kettle pelican", "tsunami kettle pelican"),
        ("tsunami\u00a0kettle pelican", "tsunami kettle pelican"),
        ("\ufb01sh kettle pelican", "fish kettle pelican"),
    ],
    ids=["composed", "decomposed", "full-width", "no-break space", "ligature"],
)
async def test_the_same_letters_log_in_whatever_code_points_they_are_typed_as(
    auth: grpc.aio.Channel, join: Join, chosen: str, typed: str
) -> None:
    _, email = await join(chosen)
    assert await guess(auth, email, chosen) == ""
    assert await guess(auth, email, typed) == ""


@pytest.mark.parametrize("typed", ["manana kettle pelican", f"{COMPOSED} ", COMPOSED.upper()])
async def test_other_letters_do_not_log_in(auth: grpc.aio.Channel, join: Join, typed: str) -> None:
    _, email = await join(COMPOSED)
    assert await guess(auth, email, typed) == "invalid_credentials"


async def test_a_hash_of_what_was_typed_logs_in_once_and_is_then_one_of_the_normal_form(
    auth: grpc.aio.Channel, join: Join, admin: Admin
) -> None:
    user_id, email = await join(COMPOSED)
    digest = base64.b64encode(hashlib.sha256(DECOMPOSED.encode()).digest())
    former = bcrypt.hashpw(digest, bcrypt.gensalt(5)).decode()
    admin.execute(
        "UPDATE auth.credentials SET password_hash = %s WHERE user_id = %s", [former, user_id]
    )
    assert await guess(auth, email, COMPOSED) == "invalid_credentials"
    assert await guess(auth, email, DECOMPOSED) == ""
    assert await guess(auth, email, COMPOSED) == ""
    row = admin.execute(
        "SELECT password_hash, changes FROM auth.credentials WHERE user_id = %s", [user_id]
    ).fetchone()
    assert row is not None
    assert await guess(auth, email, DECOMPOSED) == ""
    again = admin.execute(
        "SELECT password_hash, changes FROM auth.credentials WHERE user_id = %s", [user_id]
    ).fetchone()
    assert again == row


@pytest.mark.parametrize(
    "password",
    [
        "".join(chr(ord(letter) + 0xFEE0) for letter in "password1"),
        "\ufdfa",
        "a\u0301" * 4,
        "\u24de" * 8,
    ],
    ids=["full-width", "one character that is expanded", "four letters", "circled"],
)
def test_the_normal_form_is_judged(password: str) -> None:
    with pytest.raises(WeakPassword):
        require_strong(password, [])


def test_a_name_in_other_code_points_is_known_too() -> None:
    with pytest.raises(WeakPassword):
        require_strong("lovelaceada", ["\uff21\uff24\uff21 \uff2c\uff4fvelace"])


async def test_text_that_is_too_long_for_a_password_is_refused_at_once(
    auth: grpc.aio.Channel, join: Join
) -> None:
    """Marks in descending order take quadratic time to normalize: the bounds of the field refuse
    more than 1,024 characters before that.
    """
    _, email = await join(COMPOSED)
    marks = "a" + "\u0345\u0300\u0316\u031b" * 256
    assert await guess(auth, email, marks) == "invalid_argument"
    with pytest.raises(PeerError) as refused:
        await join(marks)
    assert refused.value.reason == "weak_password"
