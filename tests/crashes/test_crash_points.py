"""Death at every named point: it is reached, and nothing told to a client was untrue."""

import pytest

from tenon_testing.waiting import wait_until
from tests.crashes.conftest import FaultBench
from tests.crashes.points import Case, cases
from tests.crashes.scenarios import creates_a_dataset

pytestmark = pytest.mark.timeout(600)  # the system starts within the first

DEATH_SECONDS = 30.0

SHORT = {
    "reports-serve committed a dataset",
    "notifications-worker after SMTP",
    "reports-worker before an export's end",
}


def parametrized() -> list[object]:
    return [pytest.param(case, id=case.point.name, marks=_marks(case)) for case in cases()]


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    return [] if case.point.name in SHORT else [pytest.mark.long]


@pytest.mark.parametrize("case", parametrized())
def test_a_process_dies_at_a_point(bench: FaultBench, case: Case) -> None:
    name, traps = case.point.name, bench.faulty.traps
    try:
        case.scenario(bench, lambda: traps.arm(name, case.passage))
        wait_until(lambda: traps.has_sprung(name), within=DEATH_SECONDS)
    finally:
        traps.disarm(name)
    assert bench.findings() == []


def test_a_point_that_is_not_passed_is_not_taken_for_passed(bench: FaultBench) -> None:
    name = "reports-worker before an export's end"
    try:
        creates_a_dataset(bench, lambda: bench.faulty.traps.arm(name))
        assert bench.findings() == []
        assert not bench.faulty.traps.has_sprung(name)
    finally:
        bench.faulty.traps.disarm(name)
