"""P4: the list of P3 over 512 connections, against its own best rate over fewer."""

from tenon_bench.datasets import list_of_datasets
from tenon_bench.figures import Figure
from tenon_bench.load import Load, measure
from tenon_bench.system import SystemUnderTest

CONNECTIONS = 512
FEWER = (16, 64)
GOAL_RATIO = 0.8
TOLD_TO_WAIT = ("429", "503")


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    url = list_of_datasets(system)
    headers = {"Cookie": system.cookie}
    fewer = [await measure(Load(url, headers, count, seconds)) for count in FEWER]
    peak = max(outcome.rate for outcome in fewer)
    many = await measure(Load(url, headers, CONNECTIONS, seconds))
    told_to_wait = sum(many.statuses.get(status, 0) for status in TOLD_TO_WAIT)
    errors = many.failures - told_to_wait
    answered = many.rate - many.failures / seconds
    return [
        Figure(
            "P4",
            f"list of datasets, {CONNECTIONS} connections, p99 {many.p99:.0f} ms,"
            f" {told_to_wait} told to wait, {errors} errors",
            answered,
            "requests/s",
            f"its best over {' or '.join(map(str, FEWER))} connections",
            peak,
            f"≥ {GOAL_RATIO:.0%} of the baseline, no errors but 429 and 503",
            answered >= GOAL_RATIO * peak and not errors,
        )
    ]
