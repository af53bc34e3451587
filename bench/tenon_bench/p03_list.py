"""P3: an uncached list of 20 datasets, from the gateway over gRPC to PostgreSQL with row level
security, audited, against FastAPI with SQLAlchemy's ORM and pydantic, and against itself without
the audit.
"""

from tenon_bench.baselines import baseline
from tenon_bench.datasets import PAGE, list_of_datasets
from tenon_bench.figures import Figure
from tenon_bench.load import Load, Outcome, measure
from tenon_bench.system import SystemUnderTest
from tenon_bench.unaudited import unaudited
from tenon_embedded.ports import free_port

CONNECTIONS = 32
GOAL_RATE = 1_200
GOAL_P99_MS = 60
GOAL_SHARE = 0.8
"""Of what it would do without the audit."""


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    with baseline("usual", free_port(), system.database_url()) as usual_url:
        usual = await measure(Load(usual_url, {}, CONNECTIONS, seconds))
    path = list_of_datasets(system).removeprefix(system.url)
    ours = await _measured(system, f"{system.url}{path}", seconds)
    with unaudited(system) as url:
        without = await _measured(system, f"{url}{path}", seconds)
    return [_figure(ours, usual), _cost(ours, without)]


async def _measured(system: SystemUnderTest, url: str, seconds: float) -> Outcome:
    return await measure(Load(url, {"Cookie": system.cookie}, CONNECTIONS, seconds))


def _figure(ours: Outcome, usual: Outcome) -> Figure:
    met = ours.rate >= GOAL_RATE and ours.p99 <= GOAL_P99_MS and not ours.failures
    return Figure(
        "P3",
        f"list of {PAGE} datasets, uncached, {CONNECTIONS} connections,"
        f" p99 {ours.p99:.0f} ms, {ours.failures} failures",
        ours.rate,
        "requests/s",
        "FastAPI, SQLAlchemy ORM, pydantic: a list of 20 without log-in",
        usual.rate,
        f"≥ {GOAL_RATE}, p99 ≤ {GOAL_P99_MS} ms",
        met,
    )


def _cost(ours: Outcome, without: Outcome) -> Figure:
    return Figure(
        "P3",
        f"what its audit costs; p99 {ours.p99:.0f} ms, and {without.p99:.0f} ms without it,"
        f" {without.failures} failures",
        ours.rate,
        "requests/s",
        "the same processes, but no read is recorded",
        without.rate,
        f"≥ {GOAL_SHARE:.0%} of it",
        ours.rate >= GOAL_SHARE * without.rate and not without.failures,
    )
