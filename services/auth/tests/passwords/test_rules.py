"""Which passwords are taken."""

import time
from contextlib import suppress

import pytest

from tenon_auth.errors import WeakPassword
from tenon_auth.passwords.rules import require_strong

KNOWN = ["ada.lovelace@example.com", "Ada Lovelace"]


@pytest.mark.parametrize(
    "password",
    [
        "",
        "aB3$xyz",
        "password",
        "Passw0rd!",
        "P@ssword123",
        "qwertyuiop",
        "1q2w3e4r5t",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabc",
        "liverpool1",
        "x" * 1_025,
    ],
)
def test_what_many_have_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        require_strong(password, [])


@pytest.mark.parametrize("password", ["adalovelace", "LovelaceAda", "ada.lovelace", "l0vel@ce1"])
def test_what_is_made_of_its_owners_name_is_refused_to_its_owner(password: str) -> None:
    with pytest.raises(WeakPassword):
        require_strong(password, KNOWN)


@pytest.mark.parametrize(
    "password",
    ["correct horse", "tsunami-kettle-91", "пароль-из-леса", "gr8 pelican stairs " * 50],
)
def test_others_are_taken(password: str) -> None:
    require_strong(password, KNOWN)


@pytest.mark.parametrize("kinds", [12, 13, 25])
def test_no_password_takes_long_to_judge(kinds: int) -> None:
    """Each of these signs stands for letters, and zxcvbn tries them all: auth would stand still."""
    password = ("4@8({[<369&#!1/|0$5+7%2'*"[:kinds] * 100)[:100]
    took = []
    for _ in range(3):
        started = time.perf_counter()
        with suppress(WeakPassword):
            require_strong(password, KNOWN)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.1
