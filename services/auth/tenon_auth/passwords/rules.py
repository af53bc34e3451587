"""Which passwords are taken: long enough, in no list of leaked ones, not made of one's own name.

zxcvbn (Wheeler, USENIX Security 2016) estimates after how many guesses an attacker who knows lists
of leaked passwords, names, words, keyboards and dates would be there. It works offline.
"""

import re
from collections.abc import Sequence

from tenon_auth.errors import WeakPassword
from tenon_auth.passwords.normal_form import MAX_CHARS, normal_form
from tenon_core.errors import FieldError

MIN_CHARS = 8
MIN_GUESSES = 10**6
"""What our limits allow in about three years, on one account; below it is what is guessed first."""
JUDGED_CHARS = 100
"""What is longer is judged by its beginning: the estimate takes time with the square of it."""
STAND_INS = frozenset("4@8({[<369&#!1/|0$5+7%2'*")
"""What zxcvbn takes for letters (`p4$$w0rd`): it tries every way to read them."""
MAX_STAND_INS = 12
"""With more kinds of them the estimate of 100 characters takes up to a second. So many are no word,
and fewer characters tell.
"""
JUDGED_OF_MANY = 24
WORD = re.compile(r"[^\W_]+")


def require_strong(password: str, known: Sequence[str], field: str = "/password") -> None:
    """Refuse what is too short, too long or too easy to guess for whoever knows these texts about
    its owner: name, address; WeakPassword. The normal form is judged, for it is what is hashed.
    """
    normal = normal_form(password)
    if min(len(password), len(normal)) < MIN_CHARS:
        raise _weak(field, f"must have {MIN_CHARS} characters")
    if len(password) > MAX_CHARS:
        raise _weak(field, f"must have at most {MAX_CHARS} characters")
    if _guesses(_judged(normal), _words([normal_form(text) for text in known])) < MIN_GUESSES:
        raise _weak(
            field,
            "is too easy to guess: it is much like a password that many have, or like your name or"
            " address. Take a few words that have nothing to do with each other",
        )


def _judged(password: str) -> str:
    """Return the beginning that is judged, so short that it takes no longer than 50 ms."""
    many = len(STAND_INS.intersection(password)) > MAX_STAND_INS
    return password[: JUDGED_OF_MANY if many else JUDGED_CHARS]


def _guesses(password: str, known: Sequence[str]) -> int:
    """Estimate for the password as it is, and without what is between its words."""
    from zxcvbn_rs_py import zxcvbn  # 9 MB, for processes that set passwords

    return min(zxcvbn(form, list(known)).guesses for form in (password, _plain(password)))


def _words(known: Sequence[str]) -> list[str]:
    """Return the texts, their words, and these without what is between."""
    words = [word for text in known for word in WORD.findall(text)]
    return [*known, *map(_plain, known), *words]


def _plain(text: str) -> str:
    return "".join(WORD.findall(text))


def _weak(field: str, message: str) -> WeakPassword:
    return WeakPassword(fields=[FieldError(field, message)])
