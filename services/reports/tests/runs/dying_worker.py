"""A worker of reports that is killed once so many parts of an export are noted."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from tenon_jobs import Worker, run_worker
from tenon_reports.app import NAME, services
from tenon_reports.runs.models import Written
from tenon_reports.runs.repository import RunRepository
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import open_backbone
from tenon_storage import storage

from services.reports.tests.runs.exports import PART_BYTES, export_type  # isort: skip # ours

_note = RunRepository.note_written


async def note_or_die(
    self: RunRepository, run_id: UUID, before: Written | None, after: Written
) -> bool:
    if len(after.parts) > int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return await _note(self, run_id, before, after)


@asynccontextmanager
async def worker(settings: ReportsSettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        own = services(backbone)
        kind = export_type(backbone.database, own)
        yield Worker(backbone.database, own.queue, [kind], poll_seconds=0.05)


if __name__ == "__main__":
    storage.PART_BYTES = PART_BYTES
    RunRepository.note_written = note_or_die  # type: ignore[method-assign]
    run_worker(NAME, ReportsSettings(), worker)
