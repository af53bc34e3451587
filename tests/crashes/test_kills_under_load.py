"""E1: `kill -9` of each process in turn, the servers included, while clients write."""

from functools import partial

import pytest

from tenon_testing.waiting import wait_until
from tests.crashes.conftest import FaultBench
from tests.crashes.ledger import Kind, Told
from tests.crashes.load import Load
from tests.crashes.scenarios import somebody

pytestmark = pytest.mark.timeout(600)  # the system starts within the first

RATE = 100
MEMBERS = 10
BETWEEN_KILLS = 100
"""Acknowledged writes before the next death."""
WITHIN_SECONDS = 60.0


def kill_in_turn(bench: FaultBench, names: list[str], rate: int) -> int:
    """Return how many writes were acknowledged meanwhile."""
    members = [
        (actor, actor.create_dataset()) for actor in (somebody(bench) for _ in range(MEMBERS))
    ]
    before = bench.ledger.count(Told.DONE)
    with Load(bench.faulty.system.url, bench.ledger, members, rate=rate):
        until_acknowledged(bench, BETWEEN_KILLS)
        for name in names:
            assert bench.faulty.kill(name)
            wait_until(partial(bench.faulty.is_up_again, name), within=WITHIN_SECONDS)
            until_acknowledged(bench, BETWEEN_KILLS)
            for actor, _ in members:
                actor.log_in()  # their access tokens live for five minutes
    return bench.ledger.count(Told.DONE) - before


def until_acknowledged(bench: FaultBench, count: int) -> None:
    wanted = bench.ledger.count(Told.DONE) + count
    wait_until(lambda: bench.ledger.count(Told.DONE) >= wanted, within=WITHIN_SECONDS)


def require_nobody_refused(bench: FaultBench) -> None:
    """A dead process is an error of ours, and never a reason to send somebody away."""
    refused = [write for kind in Kind for write in bench.ledger.told(kind, Told.REFUSED)]
    assert [write.content.get("refusal") for write in refused] == []


def test_nothing_acknowledged_is_lost_in_two_deaths(bench: FaultBench) -> None:
    kill_in_turn(bench, ["postgres", "reports-serve"], rate=RATE // 2)
    require_nobody_refused(bench)
    assert bench.findings() == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_nothing_acknowledged_is_lost_whoever_dies(bench: FaultBench) -> None:
    acknowledged = kill_in_turn(bench, bench.faulty.names, RATE)
    unknown = bench.ledger.count(Told.UNKNOWN)
    require_nobody_refused(bench)
    assert bench.findings() == []
    print(f"{acknowledged} writes acknowledged, {unknown} unknown, 0 lost, 0 twice")  # noqa: T201
