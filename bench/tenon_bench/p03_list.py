"""P3: an uncached list of 20 datasets, from the gateway over gRPC to PostgreSQL with row level
security, audited, against FastAPI with SQLAlchemy's ORM and pydantic.
"""

from tenon_bench.baselines import baseline
from tenon_bench.datasets import PAGE, list_of_datasets
from tenon_bench.figures import Figure
from tenon_bench.load import Load, measure
from tenon_bench.system import SystemUnderTest
from tenon_embedded.ports import free_port

CONNECTIONS = 32
GOAL_RATE = 1_200
GOAL_P99_MS = 60


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    with baseline("usual", free_port(), system.database_url()) as usual_url:
        usual = await measure(Load(usual_url, {}, CONNECTIONS, seconds))
    url = list_of_datasets(system)
    ours = await measure(Load(url, {"Cookie": system.cookie}, CONNECTIONS, seconds))
    met = ours.rate >= GOAL_RATE and ours.p99 <= GOAL_P99_MS and not ours.failures
    return [
        Figure(
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
    ]
