"""P6: creating a dataset, with its event, its audit record and what it makes stale, against one
row inserted by FastAPI with SQLAlchemy's ORM and pydantic.
"""

import json

from tenon_bench.baselines import baseline
from tenon_bench.datasets import organization
from tenon_bench.figures import Figure
from tenon_bench.load import Load, measure
from tenon_bench.system import SystemUnderTest
from tenon_bench.wire import NUMBER
from tenon_embedded.ports import free_port

CONNECTIONS = 32
GOAL_RATE = 400


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    item = json.dumps({"name": "item", "note": "x" * 50})
    with baseline("usual", free_port(), system.database_url()) as usual_url:
        usual = await measure(Load(usual_url, {}, CONNECTIONS, seconds, bodies=[item]))
    url = f"{system.url}{organization(system)}/datasets"
    headers = {"Cookie": system.cookie, "Origin": system.url}
    dataset = json.dumps({"name": NUMBER, "dimensions": ["a", "b"], "measures": ["x"]})
    ours = await measure(Load(url, headers, CONNECTIONS, seconds, bodies=[dataset]))
    return [
        Figure(
            "P6",
            f"create a dataset, {CONNECTIONS} connections, p99 {ours.p99:.0f} ms,"
            f" {ours.failures} failures",
            ours.rate,
            "requests/s",
            "FastAPI, SQLAlchemy ORM, pydantic: insert a row without log-in",
            usual.rate,
            f"≥ {GOAL_RATE}",
            ours.rate >= GOAL_RATE and not ours.failures,
        )
    ]
