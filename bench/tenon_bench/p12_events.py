"""P12: an event from its transaction in reports to its record in tenancy's audit log, against
PostgreSQL's own notifications between two connections.
"""

from tenon_bench.database import audit_log, notifications
from tenon_bench.datasets import organization
from tenon_bench.figures import Figure, percentile
from tenon_bench.system import SystemUnderTest

EVENTS_A_SECOND = 20
GOAL_MS = 250
ACTION = "reports.datasets.create"


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    count = int(seconds * EVENTS_A_SECOND)
    path = organization(system)
    delays = []
    with audit_log(system.tenon_database_url(), path.rpartition("/")[2], ACTION) as log:
        for number in range(count):
            system.post(f"{path}/datasets", {"name": f"dataset {number}", "measures": ["x"]})
            delays.append(log.wait_for(number + 1))
    p50, p99 = (percentile(delays, rank) * 1000 for rank in (0.5, 0.99))
    notified = percentile(notifications(system.database_url(), count), 0.99) * 1000
    return [
        Figure(
            "P12",
            f"{count} events from reports to tenancy, p99; p50 {p50:.0f} ms",
            p99,
            "ms",
            "LISTEN/NOTIFY of the same server, p99",
            notified,
            f"≤ {GOAL_MS}",
            p99 <= GOAL_MS,
        )
    ]
