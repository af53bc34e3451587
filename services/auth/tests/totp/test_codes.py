"""Codes are those of the standard, and within the drift that it allows."""

import base64
from datetime import UTC, datetime

import pytest

from tenon_auth.totp.codes import STEP_SECONDS, matching_step, new_secret

SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
"""RFC 6238, appendix B, SHA-1; of eight digits the last six are the code of six."""


FULL_WIDTH = "".join(chr(ord(digit) + 0xFEE0) for digit in "005924")


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "digits"), VECTORS)
def test_the_vectors_of_the_standard_match(seconds: int, digits: str) -> None:
    assert matching_step(SECRET, digits[2:], at(seconds), 0) == seconds // STEP_SECONDS


@pytest.mark.parametrize(("drift", "matches"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(drift: int, matches: bool) -> None:
    seconds, digits = VECTORS[3]
    found = matching_step(SECRET, digits[2:], at(seconds + drift * STEP_SECONDS), 0)
    assert (found is not None) == matches


@pytest.mark.parametrize(("last", "matches"), [(-1, True), (0, False), (1, False)])
def test_a_step_at_or_before_the_last_one_does_not_match(last: int, matches: bool) -> None:
    seconds, digits = VECTORS[3]
    found = matching_step(SECRET, digits[2:], at(seconds), seconds // STEP_SECONDS + last)
    assert (found is not None) == matches


@pytest.mark.parametrize(
    "typed",
    [
        FULL_WIDTH,
        " 005924\n",
        "005 924",
        "005-924",
        "005\u2013924",
        "005\u2011924",
        "005\u2212924",
        "005\u00a0924",
        "0 0 5 9 2 4",
        "\u200b005924",
        "\u0660\u0660\u0665\u0669\u0662\u0664",
    ],
)
def test_a_code_may_be_typed_in_many_ways(typed: str) -> None:
    seconds, _ = VECTORS[3]
    assert matching_step(SECRET, typed, at(seconds), 0) == seconds // STEP_SECONDS


@pytest.mark.parametrize(
    "code", ["", "5924", "89005924", "005925", "00592 ", "0059240", "٠٠٥٩٢٥", "0" * 1_000_000]
)
def test_what_is_no_such_code_does_not_match(code: str) -> None:
    assert matching_step(SECRET, code, at(VECTORS[3][0]), 0) is None


def test_secrets_have_160_bits_and_are_new_each_time() -> None:
    secrets = {new_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}
