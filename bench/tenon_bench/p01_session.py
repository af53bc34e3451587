"""P1: GET /api/auth/session of somebody who is logged in, against bare FastAPI."""

from tenon_bench.baselines import baseline
from tenon_bench.figures import Figure
from tenon_bench.load import Load, measure
from tenon_bench.system import SystemUnderTest
from tenon_embedded.ports import free_port

CONNECTIONS = 64
GOAL_RATE = 8_000
GOAL_RATIO = 0.6


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    with baseline("bare", free_port()) as bare_url:
        bare = await measure(Load(bare_url, {}, CONNECTIONS, seconds))
    url = f"{system.url}/api/auth/session"
    ours = await measure(Load(url, {"Cookie": system.cookie}, CONNECTIONS, seconds))
    met = ours.rate >= GOAL_RATE and ours.rate >= GOAL_RATIO * bare.rate and not ours.failures
    return [
        Figure(
            "P1",
            f"GET /api/auth/session, {CONNECTIONS} connections, p99 {ours.p99:.0f} ms,"
            f" {ours.failures} failures",
            ours.rate,
            "requests/s",
            "bare FastAPI, constant reply",
            bare.rate,
            f"≥ {GOAL_RATE} and ≥ {GOAL_RATIO:.0%} of the baseline",
            met,
        )
    ]
