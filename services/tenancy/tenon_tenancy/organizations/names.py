"""Names and slugs of organizations: which are valid, and slugs made from names."""

import re
import secrets
import string
import unicodedata
from collections.abc import Iterator

from tenon_core.display_names import name_problem
from tenon_core.errors import FieldError

MIN_SLUG_CHARS = 3
MAX_SLUG_CHARS = 40
SUFFIX_CHARS = 6
SUFFIXES_TRIED = 5

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
_BETWEEN_WORDS = re.compile(r"[\s_/.-]+")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9-]")


def name_problems(name: str) -> Iterator[FieldError]:
    """Return what is wrong with a name in its normal form."""
    if problem := name_problem(name):
        yield FieldError("/name", problem)


def slug_problems(slug: str) -> Iterator[FieldError]:
    """Say what is wrong with a slug that somebody chose."""
    if not _SLUG.fullmatch(slug):
        yield FieldError(
            "/slug",
            f"must be {MIN_SLUG_CHARS} to {MAX_SLUG_CHARS} characters of a-z, 0-9 and -,"
            " neither first nor last a -",
        )


def slugs_for(name: str) -> Iterator[str]:
    """Make slugs from a name to be tried in turn: the plain one, then some that nobody has."""
    words = slug_words(name)
    plain = words[:MAX_SLUG_CHARS].rstrip("-")
    if len(plain) >= MIN_SLUG_CHARS:
        yield plain
    stem = words[: MAX_SLUG_CHARS - SUFFIX_CHARS - 1].rstrip("-")
    for _ in range(SUFFIXES_TRIED):
        yield f"{stem}-{_suffix()}" if stem else _suffix()


def slug_words(name: str) -> str:
    """Drop what a slug cannot hold, accents first; `-` between words."""
    plain = unicodedata.normalize("NFKD", name).lower()
    hyphenated = _NOT_IN_SLUG.sub("", _BETWEEN_WORDS.sub("-", plain))
    return re.sub("-+", "-", hyphenated).strip("-")


def _suffix() -> str:
    alphabet = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(SUFFIX_CHARS))
