"""The gauges of how many jobs there are."""

from collections.abc import Sequence

from tenon_jobs import metrics
from tenon_jobs.repository import Depth
from tenon_jobs.tables import State

SHOWN = (State.QUEUED, State.RUNNING, State.FAILED, State.QUARANTINED)


class DepthGauges:
    """Shows what was counted last. What there was before and is no more is shown as 0."""

    def __init__(self, service: str, types: Sequence[str]) -> None:
        self._service = service
        self._types = set(types)

    def show(self, depths: Sequence[Depth]) -> None:
        self._types.update(depth.type for depth in depths)
        jobs = {(depth.type, depth.state): depth.jobs for depth in depths}
        oldest = {depth.type: depth.oldest_due_seconds for depth in depths if depth.jobs}
        for name in self._types:
            metrics.OLDEST_DUE.labels(self._service, name).set(oldest.get(name, 0))
            for state in SHOWN:
                labels = (self._service, name, state)
                metrics.DEPTH.labels(*labels).set(jobs.get((name, state), 0))
