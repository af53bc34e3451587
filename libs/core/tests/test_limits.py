import pytest
from prometheus_client import REGISTRY

from tenon_core.errors import LimitExceeded, QuotaExceeded
from tenon_core.limits import Limit, Per, define

SLOTS = define(Limit("test_slots_per_account", "the tests that run at once", Per.ACCOUNT))
BYTES = define(
    Limit("test_bytes_per_account", "the bytes of tests", Per.ACCOUNT, error=QuotaExceeded)
)


def refusals(limit: Limit) -> float:
    return REGISTRY.get_sample_value("tenon_limit_refusals_total", {"limit": limit.name}) or 0.0


def test_a_refusal_names_its_limit_and_what_to_do() -> None:
    error = SLOTS.exceeded(retry_after=2)
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.retry_after) == ("test_slots_per_account", 2)
    assert error.detail == (
        "Limit reached: the tests that run at once per account."
        " Wait as long as Retry-After says, then try again."
    )


def test_a_quota_has_an_error_of_its_own() -> None:
    assert isinstance(BYTES.exceeded(), QuotaExceeded)


def test_refusals_are_counted_by_limit() -> None:
    before = refusals(SLOTS), refusals(BYTES)
    SLOTS.exceeded()
    assert (refusals(SLOTS), refusals(BYTES)) == (before[0] + 1, before[1])


def test_a_name_stands_for_one_limit() -> None:
    assert define(Limit("test_slots_per_account", SLOTS.what, Per.ACCOUNT)) == SLOTS
    with pytest.raises(ValueError, match="test_slots_per_account"):
        define(Limit("test_slots_per_account", "something else", Per.ACCOUNT))
