"""Checkpoints on a schedule, beside the worker's jobs."""

import asyncio

import structlog
from prometheus_client import Counter, Gauge

from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService, Round

EVERY_SECONDS = 20.0
"""So that what is covered is at most a minute old, also when one round fails."""

COVERED = Gauge(
    "tenon_audit_covered_time", "When all audit logs were last covered by checkpoints, seconds"
)
FAILED = Counter("tenon_audit_failed", "Audit logs that could not be covered by a checkpoint")
BROKEN = Gauge(
    "tenon_audit_broken", "Audit logs that the last round found not to follow their checkpoint"
)

log = structlog.get_logger()


class CheckpointWriter:
    """Covers the logs again and again. Two of them at once write the same twice."""

    def __init__(self, checkpoints: AuditCheckpointService, seconds: float = EVERY_SECONDS) -> None:
        self._checkpoints = checkpoints
        self._seconds = seconds

    async def run(self) -> None:
        """Go on until cancelled; what fails is tried again."""
        while True:
            began = clock.now().timestamp()
            try:
                done = await self._checkpoints.cover_all()
            except TenonError as error:
                log.warning("audit logs are not covered by checkpoints", error=error.detail)
            else:
                _measure(done, began)
            await asyncio.sleep(self._seconds)


def _measure(done: Round, began: float) -> None:
    BROKEN.set(done.broken)
    FAILED.inc(done.failed)
    if not done.failed and not done.broken:
        COVERED.set(began)
