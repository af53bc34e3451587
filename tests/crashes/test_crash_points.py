"""Death at every named point: it is reached, and nothing told to a client was untrue."""

import pytest

from tenon_testing.waiting import wait_until
from tests.crashes.conftest import FaultBench
from tests.crashes.points import Case, cases

pytestmark = pytest.mark.timeout(600)  # the system starts within the first

DEATH_SECONDS = 30.0

SHORT = {
    "reports-serve committed a dataset",
    "notifications-worker after SMTP",
    "reports-worker before an export's end",
}


def parametrized() -> list[object]:
    return [
        pytest.param(case, id=case.point.name, marks=() if case.point.name in SHORT else LONG)
        for case in cases()
    ]


LONG = (pytest.mark.long,)


@pytest.mark.parametrize("case", parametrized())
def test_a_process_dies_at_a_point(bench: FaultBench, case: Case) -> None:
    name, traps = case.point.name, bench.faulty.traps
    case.scenario(bench, lambda: traps.arm(name, case.passage))
    wait_until(lambda: traps.has_sprung(name), within=DEATH_SECONDS)
    assert bench.findings() == []
