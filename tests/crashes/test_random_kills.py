"""Deaths at random moments of an upload, a query, an export and mails change nothing in the end."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from random import Random

import pytest

from tests.crashes import data
from tests.crashes.conftest import FaultBench
from tests.crashes.killer import Killer
from tests.crashes.scenarios import FILE_ROWS, SENT_EVENTS, SESSION, require_refused, somebody
from tests.crashes.stored import Kept

pytestmark = pytest.mark.timeout(600)  # the system starts within the first

SHORT_ROUNDS, LONG_ROUNDS = 2, 20
KILLS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a user has in the end, but for ids."""

    totals: list[list[object]]
    file: bytes
    kept: Kept


def use_everything(
    bench: FaultBench,
    meanwhile: Callable[[], None] = lambda: None,
    killing: AbstractContextManager[object] | None = None,
) -> Outcome:
    """Upload, send, query and export; when the killing is over, wait for the mails."""
    actor = somebody(bench)
    with killing or nullcontext():
        dataset = actor.create_dataset()
        actor.upload(dataset, data.csv(data.events(0, FILE_ROWS)))
        meanwhile()
        actor.send_events(dataset, data.events(FILE_ROWS, SENT_EVENTS))
        totals = actor.query(dataset)
        file = actor.export(dataset)
    assert bench.findings() == []
    with bench.stored() as stored:
        return Outcome(totals, file, stored.kept(actor.org_id, actor.user_id))


@pytest.fixture(scope="session")
def undisturbed(bench: FaultBench) -> Outcome:
    outcome = use_everything(bench)
    rows = data.taken(data.events(0, FILE_ROWS)) + data.events(FILE_ROWS, SENT_EVENTS)
    assert outcome.totals == data.totals(rows)
    assert outcome.file == data.exported(rows)
    return outcome


def play(bench: FaultBench, undisturbed: Outcome, chance: Random, rounds: int) -> None:
    for number in range(rounds):
        killer = Killer(bench.faulty, chance, KILLS)
        outcome = use_everything(bench, killing=killer)
        assert outcome == undisturbed, f"round {number}, {killer.victims}"


def test_two_rounds_of_random_kills(bench: FaultBench, undisturbed: Outcome, seed: int) -> None:
    play(bench, undisturbed, Random(seed), SHORT_ROUNDS)  # noqa: S311 # no secret


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_rounds_of_random_kills(bench: FaultBench, undisturbed: Outcome, seed: int) -> None:
    play(bench, undisturbed, Random(seed), LONG_ROUNDS)  # noqa: S311 # no secret


def test_a_lost_valkey_changes_nothing_and_logs_nobody_out(
    bench: FaultBench, undisturbed: Outcome
) -> None:
    present, gone = somebody(bench), somebody(bench)
    stolen = bench.stranger()
    stolen.client.cookies.update(gone.client.cookies)
    gone.log_out()

    def lose_valkey() -> None:
        bench.faulty.flush_valkey()
        bench.faulty.kill("valkey")

    assert use_everything(bench, lose_valkey) == undisturbed
    bench.faulty.flush_valkey()
    assert present.read("GET", SESSION).is_success
    require_refused(stolen, SESSION)
