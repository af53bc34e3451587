"""docs/errors.md has every code that a reply may have."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenon_gateway.problems import Refusal
from tenon_launcher.error_catalogue import error_catalogue

ROOT = Path(__file__).parents[2]
CODE = re.compile(r'^    (?:reason|code) = "([a-z0-9_]+)"', re.MULTILINE)


def defined_codes() -> Iterator[str]:
    """Yield the codes of every error's class, by the text of the modules that define them."""
    for module in ROOT.glob("services/*/tenon_*/**/errors.py"):
        yield from CODE.findall(module.read_text())


def listed_codes() -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9_]+)` \| \d{3} \|", error_catalogue(), re.MULTILINE))


def test_every_code_that_a_service_or_the_gateway_defines_is_listed() -> None:
    defined = set(defined_codes())
    assert {"csrf_refused", "body_timeout", "rate_limited", "wrong_password"} <= defined
    assert defined - listed_codes() == set()


@pytest.mark.parametrize("code", sorted(kind.code for kind in Refusal.__subclasses__()))
def test_every_refusal_of_the_gateway_is_listed_with_what_to_do(code: str) -> None:
    (line,) = (line for line in error_catalogue().splitlines() if line.startswith(f"| `{code}` |"))
    assert line.endswith(". |")


def test_no_refusal_is_made_without_a_kind_of_its_own() -> None:
    sources = [path.read_text() for path in ROOT.glob("services/gateway/tenon_gateway/**/*.py")]
    assert not [source for source in sources if re.search(r"\bRefusal\(\d", source)]
