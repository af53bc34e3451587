"""A second factor is never the same as the first."""

import pytest

from tenon.auth.v1.second_factor_pb2 import SecondFactorKind
from tenon_auth.second_factors.models import Kind, may_follow
from tenon_auth.sessions.models import AuthMethod

HELD = [AuthMethod.TOTP, AuthMethod.PASSKEY, AuthMethod.RECOVERY_CODE]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("first", [method for method in AuthMethod if method not in HELD])
def test_what_one_holds_follows_what_one_knows(first: AuthMethod, kind: Kind) -> None:
    assert may_follow([first], kind)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("first", HELD)
def test_what_one_holds_does_not_follow_what_one_holds(first: AuthMethod, kind: Kind) -> None:
    """So a log-in that a passkey began, which did not make sure of its user, is not finished by
    the same passkey.
    """
    assert not may_follow([first], kind)
    assert not may_follow([AuthMethod.PASSWORD, first], kind)


def test_the_kinds_are_those_of_the_contract() -> None:
    names = {f"SECOND_FACTOR_KIND_{kind.name}": kind.value for kind in Kind}
    assert names | {"SECOND_FACTOR_KIND_UNSPECIFIED": 0} == dict(SecondFactorKind.items())
