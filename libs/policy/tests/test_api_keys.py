"""How a secret is written, and which permissions a key can have."""

import pytest

from tenon_policy.api_keys import (
    ALPHABET,
    BODY_CHARS,
    grantable_permissions,
    is_well_formed,
    new_secret,
)

SECRET = new_secret()


def swapped(secret: str, place: int) -> str:
    other = ALPHABET[(ALPHABET.index(secret[place]) + 1) % len(ALPHABET)]
    return secret[:place] + other + secret[place + 1 :]


def test_every_new_secret_is_well_formed_and_another() -> None:
    made = {new_secret() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(map(is_well_formed, made))
    assert {len(secret) for secret in made} == {4 + BODY_CHARS + 6}


@pytest.mark.parametrize("place", range(4, 4 + BODY_CHARS + 6))
def test_one_wrong_character_is_seen(place: int) -> None:
    assert not is_well_formed(swapped(SECRET, place))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "tnk_",
        SECRET[:-1],
        SECRET + "0",
        SECRET + "\n",
        SECRET.upper(),
        SECRET.replace("tnk_", "TNK_"),
        f" {SECRET}",
        SECRET[:20] + "é" + SECRET[21:],
        SECRET[:20] + "\u0661" + SECRET[21:],
        "tnk_" + "9" * 10_000,
    ],
)
def test_what_we_cannot_have_made_is_not(token: str) -> None:
    assert not is_well_formed(token)


def test_a_key_can_have_what_is_not_for_people_alone() -> None:
    found = grantable_permissions()
    assert {"reports.runs.start", "reports.events.ingest", "tenancy.members.list"} <= found
    assert not found & {"auth.api_keys.create", "tenancy.members.remove", ""}
